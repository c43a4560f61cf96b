"""The orders of a plan as sheets: each entry or exit with its type, limit, stop, target and costs, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.orders import TOUCHED, OrderIntent, OrderType, Release, Role
from strategies.display.plans import how
from strategies.domain.message.good_till import moment_in_utc
from strategies.domain.numbers import plain
from strategies.domain.plan.estimate import Estimate

PROTECTIVE = (Role.STOP_LOSS, Role.TAKE_PROFIT)
_GOOD_FOR = {
    "day": "the day",
    "gtc": "until canceled",
    "gtd": "until",
    "opg": "the opening auction",
    "cls": "the closing auction",
    "ioc": "at once or not at all",
    "fok": "whole at once or not at all",
}
_AT_MARKET = frozenset({OrderType.MARKET, OrderType.MARKET_IF_TOUCHED})
NO_STOP = "none: nothing limits the loss of this position"
NO_TARGET = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSheet:
    """One entry or exit with the legs that travel with it. `waits`: when it leaves, where that is not at once."""

    role: str
    side: str
    quantity: Decimal
    ticker: str
    lines: tuple[tuple[str, str], ...]
    waits: str = ""


def order_sheets(intents: Sequence[OrderIntent], estimates: Sequence[Estimate] = ()) -> tuple[OrderSheet, ...]:
    """A sheet for each order of a plan that is no leg of another, in the order in which they leave."""
    walked = [intent for root in intents for intent in _with_children(root)]
    sentences = {
        id(intent): estimate.sentence for intent, estimate in zip(walked, estimates, strict=False) if estimate.sentence
    }
    return tuple(
        _sheet(intent, sentences.get(id(intent), "")) for root in intents for intent in _sheeted(root, is_root=True)
    )


def _with_children(intent: OrderIntent) -> Iterator[OrderIntent]:
    yield intent
    for child in intent.then:
        yield from _with_children(child)


def _sheeted(intent: OrderIntent, *, is_root: bool) -> Iterator[OrderIntent]:
    """Legs stand in the sheet of their entry; those of a position that is held already have a sheet of their own."""
    if is_root or intent.role not in PROTECTIVE:
        yield intent
    for child in intent.then:
        yield from _sheeted(child, is_root=False)


def _sheet(intent: OrderIntent, costs: str) -> OrderSheet:
    lines = [("Type", _type(intent)), ("Limit", _limit(intent))]
    if intent.stop_price is not None:
        name = "Touch price" if intent.type in TOUCHED else "Stop price"
        lines.append((name, plain(intent.stop_price)))
    lines.append(("Good for", _good_for(intent)))
    if intent.role is Role.ENTRY:
        lines.append(("Stop loss", _leg(intent, Role.STOP_LOSS) or NO_STOP))
        lines.append(("Target", _leg(intent, Role.TAKE_PROFIT) or NO_TARGET))
    if costs:
        lines.append(("Costs", costs))
    return OrderSheet(
        role=str(intent.role),
        side=str(intent.side),
        quantity=intent.quantity,
        ticker=intent.instrument.ticker,
        lines=tuple(lines),
        waits="once the order before it has filled" if intent.release == Release.AFTER_PARENT_FILLS else "",
    )


def _type(intent: OrderIntent) -> str:
    name = str(intent.type).replace("_", " ")
    if intent.trail_percent is not None:
        return f"{name} by {plain(intent.trail_percent)}%"
    return name if intent.trail_amount is None else f"{name} by {plain(intent.trail_amount)}"


def _limit(intent: OrderIntent) -> str:
    if intent.limit_price is not None:
        return plain(intent.limit_price)
    if intent.type is OrderType.MIDPRICE:
        return "none: it follows the middle of bid and ask"
    return "none: it takes the market's price" if intent.type in _AT_MARKET else "none"


def _good_for(intent: OrderIntent) -> str:
    tif = str(intent.time_in_force)
    outside = ", also outside regular hours" if intent.outside_rth else ""
    after = f", at most {intent.cancel_after} seconds" if intent.cancel_after else ""
    end = f" {moment_in_utc(intent.good_till)}, when Halyard cancels it" if intent.good_till else ""
    return f"{_GOOD_FOR.get(tif, tif)}{end}{after}{outside}"


def _leg(intent: OrderIntent, role: Role) -> str:
    legs = [child for child in intent.then if child.role is role]
    return "; ".join(f"{leg.side} {plain(leg.quantity)}, {how(leg)}" for leg in legs)
