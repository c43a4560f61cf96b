"""The option that a rule means, out of the chain that IBKR lists now. Asking is done through the brokerage's reads.

IBKR lists strikes by month, not by day, and says of one strike at a time on which days it has options. So the strikes that
are counted are asked about from the money on, some at once, until the one that is meant is known to exist on its day.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts import picking
from brokers.domain.contracts.options import OptionName, day, shown
from brokers.domain.contracts.picking import NothingFits, Rule
from brokers.domain.orders import Contract, Instrument
from brokers.ibkr.contracts import options
from brokers.ibkr.contracts.options import Listed, Underlying
from brokers.ibkr.months import Get
from brokers.ibkr.months import Listed as Month
from brokers.ibkr.translate import Row

# What the underlying costs now; None where IBKR shows no price to trade by.
Price = Callable[[Contract], Awaitable[Decimal | None]]

# The first of them hold a strike of every step: what ends in a year has every fifth of those that end in a week.
_AT_ONCE, _MOST = 6, 60
# An option that ends so many months after the day it was wanted for is another option.
_MONTHS = 3


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

    def begin(self, today: date) -> None:
        """Forget what was said on another day: series are listed and end overnight."""
        if self.day != today:
            self.forget()
            self.day = today

    def forget(self) -> None:
        """Forget all of it: a session that begins is shown nothing of a chain until it has searched for the share."""
        self.underlyings.clear()
        self.strikes.clear()
        self.listed.clear()
        self.futures.clear()
        self.on_futures.clear()
        self.definitions.clear()


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


async def find_named(
    instrument: Instrument, get: Get, today: date, chosen: int | None = None, chains: Chains | None = None
) -> Contract:
    """IBKR's contract of an option's name; OrderRefused with a sentence where there is none, AmbiguousSymbol where several are.

    Out of what was said of the chain today: of a thousand names on one share each would else ask for it anew. What it lacks is
    asked for once more, since strikes are listed all day long.
    """
    name, chains = options.meant_by(instrument, today), chains or Chains()
    chains.begin(today)
    month = name.expiry.replace(day=1)
    underlying = chains.underlyings.get(name.underlying)
    if underlying is None or month not in underlying.months:
        underlying = chains.underlyings[name.underlying] = await options.underlying_of(name.underlying, get)
    if month not in underlying.months:
        raise options.no_month(name, underlying)
    side = (underlying.conid, month, name.right)
    # IBKR has an error, and no empty list, for a strike that it does not list.
    if name.strike not in chains.strikes.get(side, ()):
        chains.strikes[side] = await options.asked_twice(
            lambda: options.strikes_of(underlying, month, name.right, get), underlying, get
        )
    if name.strike not in chains.strikes[side]:
        raise options.no_strike(name, chains.strikes[side])
    at = (*side, name.strike)
    if listed := chains.listed.get(at):
        with contextlib.suppress(OrderRefused):
            return options.contract_of(instrument, options.choose(name, listed, chosen), name)
    chains.listed[at] = await options.asked_twice(
        lambda: options.of_strike(underlying, month, name.strike, name.right, get), underlying, get
    )
    return options.contract_of(instrument, options.choose(name, chains.listed[at], chosen), name)


async def find(instrument: Instrument, rule: Rule, get: Get, today: date, desk: Desk) -> Contract:
    """The contract that a rule means now; OrderRefused with a sentence where none does, or no price tells.

    `today` is the first day whose options trade.
    """
    chains = desk.chains
    chains.begin(today)
    underlying = chains.underlyings.get(rule.underlying) or await options.underlying_of(rule.underlying, get)
    chains.underlyings[rule.underlying] = underlying
    now = rule.strike
    if now is None:
        # Neither needs the other, and each is a trip to IBKR and back.
        now, _ = await asyncio.gather(
            desk.price(_share(underlying)), _strikes_ahead(rule, today, underlying, get, chains)
        )
    if now is None:
        raise OrderRefused(
            f"IBKR shows no live price of {rule.underlying}, so no strike is counted from it. Send the contract's own name, "
            "or strikePrice.",
            code="price-required",
        )
    try:
        listed = await _in_months(rule, now, today, underlying, get, chains)
    except NothingFits as nothing:
        raise OrderRefused(str(nothing), code="no-option-fits") from None
    name = OptionName(underlying=rule.underlying, expiry=listed.expiry, right=listed.right, strike=listed.strike)
    found = options.contract_of(instrument, listed, name, picking.how(rule, now))
    return replace(found, ticker=str(name))


async def _strikes_ahead(rule: Rule, today: date, underlying: Underlying, get: Get, chains: Chains) -> None:
    """Ask for the strikes of the month that is looked in first; what is wrong with it is said when it is looked in."""
    with contextlib.suppress(NothingFits):
        await OneMonth(chains, underlying, _months(rule, today, underlying)[0], rule.right, get).strikes()


def _share(underlying: Underlying) -> Contract:
    return Contract(instrument=Instrument(ticker=underlying.symbol), conid=underlying.conid)


async def _in_months(
    rule: Rule, price: Decimal, today: date, underlying: Underlying, get: Get, chains: Chains
) -> Listed:
    """The option in the month of its day, else in the next ones where nothing of that month ends late enough."""
    nothing: NothingFits | None = None
    for month in _months(rule, today, underlying)[: 1 if rule.is_dated else _MONTHS]:
        try:
            return await _in_month(rule, price, today, OneMonth(chains, underlying, month, rule.right, get))
        except NothingFits as missing:
            if nothing is None or _ends_early(missing):
                nothing = missing
            if not _ends_early(missing):
                break
    assert nothing is not None, "there is a month to look in"
    raise nothing


def _months(rule: Rule, today: date, underlying: Underlying) -> list[date]:
    """The months in which the option may be, the nearest first; one at least. Raises NothingFits where none is listed."""
    first = rule.first_day(today)
    wanted = [month for month in underlying.months if month >= first.replace(day=1)]
    if rule.is_dated and first < today:
        raise NothingFits(f"{day(first)} is over. Name a day on which an option on {rule.underlying} ends.")
    if not wanted or (rule.is_dated and wanted[0] != first.replace(day=1)):
        last = f" The last month listed is {underlying.months[-1]:%b %Y}." if underlying.months else ""
        raise NothingFits(f"IBKR lists no options on {rule.underlying} that end in {first:%b %Y}.{last}")
    return wanted


class _EndsEarly(NothingFits):
    """Nothing of this month ends late enough; the next one may."""


def _ends_early(missing: NothingFits) -> bool:
    return isinstance(missing, _EndsEarly)


async def _in_month(rule: Rule, price: Decimal, today: date, chain: OneMonth) -> Listed:
    strikes = await chain.strikes()
    if not strikes:
        raise NothingFits(f"IBKR lists no options on {rule.underlying} that end in {chain.month:%b %Y}.")
    in_turn = _in_turn(rule, strikes, price)
    known: list[Listed] = []
    for begin in range(0, min(len(in_turn), _MOST), _AT_ONCE):
        known += await chain.listed(in_turn[begin : begin + max(_AT_ONCE, rule.away if not begin else 0)])
        meant = _meant(rule, known, price, today, asked_all=begin + _AT_ONCE >= len(in_turn))
        if meant is not None:
            return meant
    raise NothingFits(_too_few(rule, price))


def _in_turn(rule: Rule, strikes: Sequence[Decimal], price: Decimal) -> list[Decimal]:
    """The strikes of a month in the order in which they are asked about."""
    if rule.strike is not None:
        picking.strike_of(rule, strikes, price)
        return [rule.strike]
    if not rule.away:
        return sorted(strikes, key=lambda each: abs(each - price))
    return picking.strikes_between(rule, strikes, price)


def _meant(rule: Rule, known: Sequence[Listed], price: Decimal, today: date, *, asked_all: bool) -> Listed | None:
    """The option among those asked about so far; None where more have to be asked about."""
    try:
        last = picking.day_of(rule, [each.expiry for each in known], today)
    except NothingFits as nothing:
        if rule.is_dated:
            raise
        raise _EndsEarly(str(nothing)) from None
    of_day = {each.strike: each for each in known if each.expiry == last}
    try:
        return of_day[picking.strike_of(rule, list(of_day), price)]
    except NothingFits:
        if asked_all:
            raise
        return None


def _too_few(rule: Rule, price: Decimal) -> str:
    return (
        f"IBKR lists no {picking.ordinal(rule.away)} strike of {rule.underlying} {rule.side.words} at "
        f"{shown(price)} on the day that is asked for."
    )
