"""What the broker says may be ordered of one contract, and why an order would not be taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from brokers.domain.orders import OrderIntent, OrderType, Release, TimeInForce
from brokers.domain.sentences import all_of

TYPE_NOT_TAKEN = "order-type-not-taken"
TIME_NOT_TAKEN = "time-in-force-not-taken"
OUTSIDE_NOT_TAKEN = "outside-hours-not-taken"

TYPES_IN_WORDS = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP: "stop",
    OrderType.STOP_LIMIT: "stop-limit",
    OrderType.TRAILING_STOP: "trailing-stop",
    OrderType.MARKET_IF_TOUCHED: "market-if-touched",
    OrderType.LIMIT_IF_TOUCHED: "limit-if-touched",
    OrderType.MIDPRICE: "midprice",
    OrderType.TRAILING_STOP_LIMIT: "trailing-stop-limit",
}
TIMES_IN_WORDS = {
    TimeInForce.DAY: "good for the day",
    TimeInForce.GTC: "good till canceled",
    TimeInForce.GTD: "good till canceled, which one good till a date is to IBKR,",
    TimeInForce.OPG: "for the opening auction",
    TimeInForce.CLS: "for the closing auction",
    TimeInForce.IOC: "immediate or cancel",
}
_WITH_THE_ENTRY = {Release.WITH_PARENT, Release.IN_GROUP, Release.BY_ACCOUNT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why an order is not sent: a stable code and a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRules:
    """The broker's rules of one contract. An empty list means that it did not say, and rules nothing out.

    `times` holds each time in force that it takes with the types it takes it for. `size_step` is what its own order form
    counts in, and no lot: it shows 100 for shares of which it takes a single one.
    """

    order_types: tuple[OrderType, ...] = ()
    outside: tuple[OrderType, ...] = ()
    times: tuple[tuple[TimeInForce, tuple[OrderType, ...]], ...] = ()
    size_step: int | None = None

    def as_json(self) -> dict[str, Any]:
        """For a row."""
        times = [[str(time), [str(kind) for kind in kinds]] for time, kinds in self.times]
        types, outside = ([str(kind) for kind in kinds] for kinds in (self.order_types, self.outside))
        return {"order_types": types, "outside": outside, "times": times, "size_step": self.size_step}

    @classmethod
    def from_json(cls, row: dict[str, Any] | None) -> ContractRules | None:
        """As `as_json` wrote it."""
        if not row:
            return None
        return cls(
            order_types=_types(row["order_types"]),
            outside=_types(row["outside"]),
            times=tuple((TimeInForce(time), _types(kinds)) for time, kinds in row["times"]),
            size_step=row["size_step"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """The accounts that may trade a contract, and its rules; None where the broker says neither."""

    permitted: tuple[str, ...] | None = None
    rules: ContractRules | None = None


def denial(intent: OrderIntent, rules: ContractRules | None) -> Denial | None:
    """Why the broker would not take an order, or one that travels with it; None where its rules do not say so."""
    if rules is None:
        return None
    travel = (child for child in intent.then if child.release in _WITH_THE_ENTRY)
    denials = (_denial(each, rules, leg=each is not intent) for each in (intent, *travel))
    return next((each for each in denials if each is not None), None)


def _denial(intent: OrderIntent, rules: ContractRules, *, leg: bool) -> Denial | None:
    ticker, kind, time = intent.instrument.ticker, intent.type, intent.time_in_force
    what = f"the {str(intent.role).replace('_', ' ')}" if leg else "this order"
    if rules.order_types and kind not in rules.order_types:
        return Denial(
            code=TYPE_NOT_TAKEN,
            sentence=f"IBKR takes no {TYPES_IN_WORDS[kind]} order in {ticker}, which {what} would be. "
            f"It takes {_list(rules.order_types)} orders: choose one of these.",
        )
    taken = dict(rules.times)
    at_ibkr = TimeInForce.GTC if time is TimeInForce.GTD else time
    if taken and (at_ibkr not in taken or (taken[at_ibkr] and kind not in taken[at_ibkr])):
        return Denial(
            code=TIME_NOT_TAKEN,
            sentence=f"IBKR takes no {TYPES_IN_WORDS[kind]} order {TIMES_IN_WORDS[time]} in {ticker}, which {what} would be. "
            "Choose another time in force, such as the day.",
        )
    # A leg that may not work outside the hours works inside them: IBKR says so when it takes it.
    if intent.outside_rth and not leg and rules.outside and kind not in rules.outside:
        return Denial(
            code=OUTSIDE_NOT_TAKEN,
            sentence=f"Outside regular hours IBKR takes no {TYPES_IN_WORDS[kind]} order in {ticker}. "
            f"Send one of {_list(rules.outside)}, or keep to regular hours.",
        )
    return None


def _types(kinds: Sequence[str]) -> tuple[OrderType, ...]:
    return tuple(OrderType(kind) for kind in kinds)


def _list(kinds: Iterable[OrderType]) -> str:
    return all_of(TYPES_IN_WORDS[kind] for kind in kinds)
