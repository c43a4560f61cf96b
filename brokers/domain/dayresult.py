"""The result of a trading day, from what was held when it began, what was traded since, and what is held now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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


_CENT = Decimal("0.01")
# An average price need not end; so fine, sums of it are exact.
_FINE = Decimal("1e-10")


@dataclass(frozen=True, slots=True)
class DayResult:
    """`profit` since the day began: `realized` by what was closed, `unrealized` by what is held, less `fees`.

    Both are counted from the prices of the day's beginning, or of its fills. Where `profit` is None, `unknown` is the
    sentence that says what is missing.
    """

    profit: Decimal | None
    unknown: str = ""
    realized: Decimal = field(default=Decimal(0), compare=False)
    unrealized: Decimal = field(default=Decimal(0), compare=False)
    fees: Decimal = field(default=Decimal(0), compare=False)

    @classmethod
    def of(cls, *, realized: Decimal, unrealized: Decimal, fees: Decimal) -> DayResult:
        return cls(realized + unrealized - fees, "", realized, unrealized, fees)

    def __add__(self, other: DayResult) -> DayResult:
        """The sum of two results in one currency; unknown as soon as one of them is."""
        if self.profit is None or other.profit is None:
            return self if self.profit is None else other
        return DayResult(
            self.profit + other.profit,
            "",
            self.realized + other.realized,
            self.unrealized + other.unrealized,
            self.fees + other.fees,
        )

    def at(self, rate: Decimal) -> DayResult:
        """The same in another currency."""
        if self.profit is None:
            return self
        return DayResult(self.profit * rate, "", self.realized * rate, self.unrealized * rate, self.fees * rate)

    @property
    def is_nothing(self) -> bool:
        """True where no part of it is worth converting."""
        return not (self.profit or self.realized or self.unrealized or self.fees)

    @property
    def in_cents(self) -> DayResult:
        """The same to the cent, for people: its rounded parts add up to its rounded profit."""
        if self.profit is None:
            return self
        profit, realized, fees = (each.quantize(_CENT) for each in (self.profit, self.realized, self.fees))
        return DayResult(profit, "", realized, profit - realized + fees, fees)


NOTHING = DayResult(Decimal(0))
# Two prices of one day are nearer to each other than this many times; a price in pence is a hundred times one in pounds.
_NEAR = 3


def in_units_of(multiplier: Decimal, price: Decimal, like: Decimal | None) -> Decimal | None:
    """A price in the units of its contract, of which each is worth `multiplier`: it is in these or in the currency, by `like`,
    which is in these for certain. None where that does not say which."""
    either = (price, price / multiplier)
    return None if like is None else next((each for each in either if like / _NEAR <= each <= like * _NEAR), None)


def result(day: Day) -> DayResult:
    """What the day brought after fees, in the account's currency. What was paid in or out is no part of it."""
    opening = {held.conid: held for held in day.opening}
    now = {held.conid: held for held in day.now}
    fills: dict[int, list[Fill]] = defaultdict(list)
    for fill in day.fills:
        fills[fill.conid].append(fill)
    total = NOTHING
    for conid in {**opening, **fills, **now}:
        own = _of_instrument(day, opening.get(conid), fills[conid], now.get(conid))
        if own.profit is None:
            return own
        total += own
    return total


def added(results: Iterable[tuple[str, str, DayResult]], currency: str, rates: Mapping[str, Decimal]) -> DayResult:
    """The sum of several accounts' results, given as (name, currency, result); unknown as soon as one of them is."""
    total = NOTHING
    for name, own, result in results:
        if result.profit is None:
            return DayResult(None, f"{name}: {result.unknown}")
        rate = Decimal(1) if own == currency or result.is_nothing else rates.get(own)
        if rate is None:
            return DayResult(None, f"{name}: {_no_rate(own, currency)}")
        total += result.at(rate)
    return total


def _no_rate(source: str, target: str) -> str:
    return f"IBKR's rate from {source} to {target} is missing. Send again in a moment."


def _of_instrument(day: Day, opening: Held | None, fills: list[Fill], now: Held | None) -> DayResult:
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
        return DayResult(None, f"the fills of today do not add up to the {name} that is held. Send again in a moment.")
    mark = now.price if now and now.price is not None else fills[-1].price if fills and not now else None
    if held and mark is None:
        return DayResult(None, f"IBKR shows no price of {name}. Send again when it does.")
    start = opening.price if opening else None
    if before and start is None:
        return DayResult(None, f"{name} had no price when the day began. It will be known again tomorrow.")
    multiplier = day.multipliers.get(conid)
    if multiplier is None:
        return DayResult(None, f"what one point of {name} is worth is not known. It was not traded through Halyard.")
    rate = Decimal(1) if currency == day.currency else day.rates.get(currency)
    if rate is None:
        return DayResult(None, _no_rate(currency, day.currency))
    worth = held * mark if mark is not None else Decimal(0)
    paid = before * start if start is not None else Decimal(0)
    gross = worth - paid - sum((fill.quantity * fill.price for fill in fills), Decimal(0))
    unrealized = worth - _cost(before, paid, fills)
    points = DayResult.of(realized=gross - unrealized, unrealized=unrealized, fees=Decimal(0)).at(multiplier)
    fees = sum((fill.fee for fill in fills), Decimal(0))
    return (points + DayResult.of(realized=Decimal(0), unrealized=Decimal(0), fees=fees)).at(rate)


def _cost(held: Decimal, cost: Decimal, fills: Iterable[Fill]) -> Decimal:
    """What the units that are left have cost, at the average price of those they were held with; signed as they are."""
    for fill in fills:
        after = held + fill.quantity
        if held * fill.quantity >= 0:
            cost += fill.quantity * fill.price
        elif held * after > 0:
            cost = (cost * after / held).quantize(_FINE)
        else:
            cost = after * fill.price
        held = after
    return cost
