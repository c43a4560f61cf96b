"""The option that a rule means, out of the chain that IBKR lists now. Asking is done through the brokerage's reads.

IBKR lists strikes by month, not by day, and says of one strike at a time on which days it has options. So the strikes that
are counted are asked about from the money on, some at once, until the one that is meant is known to exist on its day.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from accounts.loops import endings
from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts import picking
from brokers.domain.contracts.options import OptionName, day, shown
from brokers.domain.contracts.picking import NothingFits, Rule
from brokers.domain.orders import Contract, Instrument
from brokers.ibkr.contracts import ahead, options
from brokers.ibkr.contracts.ahead import AT_ONCE
from brokers.ibkr.contracts.chains import Chains, Desk, OneMonth
from brokers.ibkr.contracts.options import Listed, Underlying
from brokers.ibkr.months import Get

# Strikes of a month that are asked about: the first few hold one of every step, as what ends in a year has every fifth of those
# that end in a week.
_MOST = 60
# An option that ends so many months after the day it was wanted for is another option.
_MONTHS = 3


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
        asked = options.asked_twice(lambda: options.strikes_of(underlying, month, name.right, get), underlying, get)
        at_strike = OneMonth(chains, underlying, month, name.right, get)
        chains.strikes[side], _ = await asyncio.gather(asked, ahead.ask_named(name, at_strike))
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
    underlying, now = await _underlying_and_price(rule, today, get, desk)
    if now is None:
        raise OrderRefused(
            f"IBKR shows no live price of {rule.underlying}, so no strike is counted from it. Send the contract's own name, "
            "or strikePrice.",
            code="price-required",
        )
    if rule.strike is None:
        chains.prices[underlying.conid] = now
    try:
        listed = await _in_months(rule, now, today, underlying, get, chains)
    except NothingFits as nothing:
        raise OrderRefused(str(nothing), code="no-option-fits") from None
    name = OptionName(underlying=rule.underlying, expiry=listed.expiry, right=listed.right, strike=listed.strike)
    found = options.contract_of(instrument, listed, name, picking.how(rule, now))
    return replace(found, ticker=str(name))


async def _underlying_and_price(rule: Rule, today: date, get: Get, desk: Desk) -> tuple[Underlying, Decimal | None]:
    """What the chain is of, and what that costs: None where IBKR shows no price. The strike itself, where one is asked for."""
    chains, name = desk.chains, rule.underlying
    underlying = chains.underlyings.get(name)
    guess = ahead.number_of(chains, name) if underlying is None and rule.strike is None else None
    # The first request of a session only subscribes: it need not wait for the search where the number is known.
    price = None if guess is None else asyncio.create_task(_price(_share(name, guess), desk))
    try:
        if underlying is None:
            underlying = chains.underlyings[name] = await options.underlying_of(name, get)
        asked = _ask_ahead(rule, today, underlying, get, chains)
        if rule.strike is not None:
            await asked
            return underlying, rule.strike
        is_right = price is not None and guess == underlying.conid
        shown_price = price if price is not None and is_right else _price(_share(name, underlying.conid), desk)
        # Neither needs the other, and each is a trip to IBKR and back.
        now, _ = await asyncio.gather(shown_price, asked)
        return underlying, now
    finally:
        if price is not None:
            await endings.end([price])


async def _price(share: Contract, desk: Desk) -> Decimal | None:
    return await desk.price(share)


async def _ask_ahead(rule: Rule, today: date, underlying: Underlying, get: Get, chains: Chains) -> None:
    """Ask about the month that is looked in first; what is wrong with it is said when it is looked in."""
    with contextlib.suppress(NothingFits):
        month = OneMonth(chains, underlying, _months(rule, today, underlying)[0], rule.right, get)
        await asyncio.gather(month.strikes(), ahead.ask(rule, today, month, rule.underlying))


def _share(symbol: str, conid: int) -> Contract:
    return Contract(instrument=Instrument(ticker=symbol), conid=conid)


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
    for begin in range(0, min(len(in_turn), _MOST), AT_ONCE):
        known += await chain.listed(in_turn[begin : begin + max(AT_ONCE, rule.away if not begin else 0)])
        meant = _meant(rule, known, price, today, asked_all=begin + AT_ONCE >= len(in_turn))
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
