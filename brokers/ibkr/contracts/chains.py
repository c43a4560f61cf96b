"""What IBKR has said of chains: believed for a day, and used on the next one to ask ahead by.

That a contract has its number is true for as long as it lives. Which strikes and days are listed changes overnight and, with
more strikes, all day long. So what was said on an earlier day is never taken for an answer: it only tells what will be asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts.options import named, root_of, shown
from brokers.domain.contracts.picking import rule_of
from brokers.domain.orders import OPTIONS, AssetClass, Contract, Instrument
from brokers.ibkr.contracts import options
from brokers.ibkr.contracts.options import Listed, Underlying
from brokers.ibkr.months import Get
from brokers.ibkr.months import Listed as Month
from brokers.ibkr.numbers import whole
from brokers.ibkr.translate import Row, rows
from brokers.rulebook.products import futures

# What the underlying costs now; None where IBKR shows no price to trade by.
Price = Callable[[Contract], Awaitable[Decimal | None]]
# IBKR takes 200 numbers in a question.
_MOST_DEFINED = 200


def chain_of(instrument: Instrument) -> str | None:
    """The name under which what is said of an option's chain is kept: its share's or index', or its future's root with "!";
    None for what is no single option."""
    if instrument.asset_class not in OPTIONS:
        return None
    rule, name = rule_of(instrument.ticker), named(instrument.ticker)
    underlying = rule.underlying if rule is not None else name.underlying if name is not None else None
    if underlying is None or instrument.asset_class is AssetClass.OPTION:
        return underlying
    return f"{futures.chart_root(root_of(underlying))}!"


@dataclass(slots=True)
class Chains:
    """What IBKR has said of chains on one day, so that a second pick asks for nothing but the price."""

    day: date | None = None
    underlyings: dict[str, Underlying] = field(default_factory=dict)
    strikes: dict[tuple[int, date, str], list[Decimal]] = field(default_factory=dict)
    listed: dict[tuple[int, date, str, Decimal], list[Listed]] = field(default_factory=dict)
    # Of futures: the months that trade by their root, and which of them the options of a class and a last day are on.
    futures: dict[str, tuple[Month, ...]] = field(default_factory=dict)
    on_futures: dict[tuple[int, str, date], int] = field(default_factory=dict)
    # What an option's definition says, by IBKR's number of it.
    definitions: dict[int, Row] = field(default_factory=dict)
    # What the underlying cost when it was last picked by, by its number.
    prices: dict[int, Decimal] = field(default_factory=dict)
    # By the name of a chain, what was said of it before this day or session.
    earlier: dict[str, Chains] = field(default_factory=dict)

    def begin(self, today: date) -> None:
        """Believe nothing that was said on another day: series are listed and end overnight."""
        if self.day != today:
            self.forget()
            self.day = today

    def forget(self) -> None:
        """Believe none of it: a session that begins is shown nothing of a chain until it has searched for the share."""
        for name in self.underlyings:
            self.earlier[name] = self.of(name)
        self.underlyings.clear()
        self.strikes.clear()
        self.listed.clear()
        self.futures.clear()
        self.on_futures.clear()
        self.definitions.clear()
        self.prices.clear()

    def of(self, name: str) -> Chains:
        """What is known of one chain, by the name that its underlying is kept under."""
        underlying = self.underlyings[name]
        conid, root = underlying.conid, name.removesuffix("!")
        listed = {key: value for key, value in self.listed.items() if key[0] == conid}
        numbers = {each.conid for found in listed.values() for each in found}
        return Chains(
            day=self.day,
            underlyings={name: underlying},
            strikes={key: value for key, value in self.strikes.items() if key[0] == conid},
            listed=listed,
            futures={root: self.futures[root]} if root in self.futures else {},
            on_futures={key: value for key, value in self.on_futures.items() if key[0] == conid},
            definitions={number: row for number, row in self.definitions.items() if number in numbers},
            prices={conid: self.prices[conid]} if conid in self.prices else {},
        )

    def add(self, said: Chains) -> None:
        """Believe what was said of a chain today; what is known here already stays."""
        for own, more in zip(self._parts(), said._parts(), strict=True):
            own.update({key: value for key, value in more.items() if key not in own})

    def drop(self, name: str) -> None:
        """Believe nothing that was said of one chain, on whichever day: its contracts are others now."""
        if name in self.underlyings:
            self.replace(name, Chains())
            del self.underlyings[name]
        self.earlier.pop(name, None)

    def replace(self, name: str, said: Chains) -> None:
        """Believe of one chain what was said of it anew, and nothing else."""
        if (known := self.underlyings.get(name)) is not None:
            parts: tuple[dict[Any, Any], ...] = (self.strikes, self.listed, self.on_futures)
            for part in parts:
                for key in [each for each in part if each[0] == known.conid]:
                    del part[key]
        for own, more in zip(self._parts(), said._parts(), strict=True):
            own.update(more)

    def _parts(self) -> tuple[dict[Any, Any], ...]:
        return (
            *(self.underlyings, self.strikes, self.listed, self.futures, self.on_futures),
            *(self.definitions, self.prices),
        )


@dataclass(frozen=True, slots=True)
class Desk:
    """What options are picked with: the price of what they are on, and what is known of its chain."""

    price: Price
    chains: Chains = field(default_factory=Chains)


@dataclass(frozen=True, slots=True)
class OneMonth:
    """One side of the chain of a share or a future, in one month."""

    chains: Chains
    underlying: Underlying
    month: date
    right: str
    get: Get

    async def strikes(self, *, anew: bool = False) -> list[Decimal]:
        """The strikes of all days of the month. `anew`: strikes are listed all day long."""
        key = (self.underlying.conid, self.month, self.right)
        if anew or not self.chains.strikes.get(key):
            strikes = await options.asked_twice(
                lambda: options.strikes_of(self.underlying, self.month, self.right, self.get), self.underlying, self.get
            )
            if not strikes:
                return []
            self.chains.strikes[key] = strikes
        return self.chains.strikes[key]

    async def listed(self, strikes: Sequence[Decimal]) -> list[Listed]:
        """The options at these strikes, which are asked about at once."""
        answers = await asyncio.gather(*(self._at(strike) for strike in strikes))
        return [each for answer in answers for each in answer if each.is_of(self.underlying)]

    async def _at(self, strike: Decimal) -> list[Listed]:
        key = (self.underlying.conid, self.month, self.right, strike)
        if not self.chains.listed.get(key):
            listed = await options.asked_twice(
                lambda: options.of_strike(self.underlying, self.month, strike, self.right, self.get),
                self.underlying,
                self.get,
            )
            if not listed:
                # Never counted past: the next strike would be another contract, and the next month another day.
                raise OrderRefused(
                    f"IBKR lists the strike {shown(strike)} of {self.underlying.symbol} and shows no option at it now, so no "
                    "strike is counted. Send the signal again.",
                    code="chain-incomplete",
                )
            self.chains.listed[key] = listed
        return self.chains.listed[key]

    async def ask_ahead(self, strikes: Sequence[Decimal]) -> None:
        """Ask about strikes at once before they are known to be wanted. What goes wrong is asked again once they are."""
        key = (self.underlying.conid, self.month, self.right)
        unknown = [each for each in strikes if not self.chains.listed.get((*key, each))]
        asked = (options.of_strike(self.underlying, self.month, each, self.right, self.get) for each in unknown)
        for strike, answer in zip(unknown, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(answer, list) and answer:
                self.chains.listed[(*key, strike)] = answer


async def define(conids: Iterable[int], chains: Chains, get: Get) -> None:
    """Ask at once for the definitions of options that lack one; of each only what is said under its own number."""
    lacking = sorted(set(conids) - chains.definitions.keys())[:_MOST_DEFINED]
    if not lacking:
        return
    said = rows(await get("trsrv/secdef", {"conids": ",".join(map(str, lacking))}), "secdef")
    chains.definitions.update({conid: row for row in said if (conid := whole(row.get("conid"))) in lacking})
