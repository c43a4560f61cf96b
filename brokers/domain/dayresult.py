"""The result of a trading day, from what was held when it began, what was traded since, and what is held now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """So many units of an instrument, at a price in its currency; None where nobody knows it."""

    conid: int
    ticker: str
    quantity: Decimal
    price: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """Bought units, or sold ones below zero. `settled`: the positions held now must contain it, and may not otherwise."""

    conid: int
    ticker: str
    quantity: Decimal
    price: Decimal
    currency: str
    fee: Decimal = Decimal(0)
    settled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One account's day so far, fills in their order; a multiplier or a rate that is missing is not known."""

    currency: str
    opening: tuple[Held, ...] = ()
    fills: tuple[Fill, ...] = ()
    now: tuple[Held, ...] = ()
    multipliers: Mapping[int, Decimal]
    rates: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class DayResult:
    """Profit since the day began, realised and not; where it is None, `unknown` is the sentence that says what is missing."""

    profit: Decimal | None
    unknown: str = ""


def result(day: Day) -> DayResult:
    """What the day brought after fees, in the account's currency. What was paid in or out is no part of it."""
    opening = {held.conid: held for held in day.opening}
    now = {held.conid: held for held in day.now}
    fills: dict[int, list[Fill]] = defaultdict(list)
    for fill in day.fills:
        fills[fill.conid].append(fill)
    total = Decimal(0)
    for conid in {**opening, **fills, **now}:
        profit = _of_instrument(day, opening.get(conid), fills[conid], now.get(conid))
        if isinstance(profit, str):
            return DayResult(None, profit)
        total += profit
    return DayResult(total)


def added(results: Iterable[tuple[str, str, DayResult]], currency: str, rates: Mapping[str, Decimal]) -> DayResult:
    """The sum of several accounts' results, given as (name, currency, result); unknown as soon as one of them is."""
    total = Decimal(0)
    for name, own, result in results:
        if result.profit is None:
            return DayResult(None, f"{name}: {result.unknown}")
        rate = Decimal(1) if own == currency or not result.profit else rates.get(own)
        if rate is None:
            return DayResult(None, f"{name}: {_no_rate(own, currency)}")
        total += result.profit * rate
    return DayResult(total)


def _no_rate(source: str, target: str) -> str:
    return f"IBKR's rate from {source} to {target} is missing. Send again in a moment."


def _of_instrument(day: Day, opening: Held | None, fills: list[Fill], now: Held | None) -> Decimal | str:
    """One instrument's part of it, or what is missing to tell."""
    source = opening or now or fills[0]
    name, currency, conid = source.ticker, source.currency, source.conid
    before = opening.quantity if opening else Decimal(0)
    shown = now.quantity if now else Decimal(0)
    steps = list(accumulate((fill.quantity for fill in fills), initial=before))
    held = steps[-1]
    # A position follows its fills by a moment: it may not show the last of them yet.
    settled = sum(1 for fill in fills if fill.settled)
    if shown not in steps[settled:]:
        return f"the fills of today do not add up to the {name} that is held. Send again in a moment."
    worth = Decimal(0)
    if held:
        mark = now.price if now and now.price is not None else fills[-1].price if fills and not now else None
        if mark is None:
            return f"IBKR shows no price of {name}. Send again when it does."
        worth += held * mark
    if before:
        if opening is None or opening.price is None:
            return f"{name} had no price when the day began. It will be known again tomorrow."
        worth -= before * opening.price
    multiplier = day.multipliers.get(conid)
    if multiplier is None:
        return f"what one point of {name} is worth is not known. It was not traded through Halyard."
    rate = Decimal(1) if currency == day.currency else day.rates.get(currency)
    if rate is None:
        return _no_rate(currency, day.currency)
    cash = -sum((fill.quantity * fill.price for fill in fills), Decimal(0))
    fees = sum((fill.fee for fill in fills), Decimal(0))
    return ((cash + worth) * multiplier - fees) * rate
