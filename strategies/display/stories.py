"""Where the time of a signal went: one story for each submission, and one for what was decided without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.domain.orders import Release, Role, Side
from brokers.models import Order
from brokers.orders.closings.closed import result_in_words
from strategies import inputs
from strategies.display import proposals
from strategies.domain.slippage import Slippage, slippage
from strategies.domain.timeline import Phase, timeline, total
from strategies.models import Decision, Signal

# Legs that leave in the request of the order they belong to: they share its way.
TRAVELS_ALONG = frozenset({Release.WITH_PARENT, Release.IN_GROUP})
Steps = list[tuple[str, bool, datetime | None]]


@dataclass(frozen=True, slots=True)
class OrderStory:
    """An order with its waterfall, its slippage and the legs sent with it; `order` is None where none was made."""

    order: Order | None
    phases: list[Phase]
    total: float
    slippage: Slippage | None = None
    legs: tuple[Order, ...] = ()
    # Of an exit that has filled: what the close has made.
    result: str = ""


def stories(signal: Signal, decision: Decision, orders: Sequence[Order]) -> list[OrderStory]:
    """One story for each submission; a decision without orders has one that ends where it was decided or answered."""
    if not orders:
        if decision.decided_at is None:
            return []
        phases = timeline(signal.received_at, _decided(signal, decision))
        return [OrderStory(order=None, phases=phases, total=total(phases))]
    known = {order.pk for order in orders}
    heads = [order for order in orders if not (_travels(order) and order.parent_id in known)]
    return [
        _story(signal, decision, head, tuple(leg for leg in orders if _travels(leg) and leg.parent_id == head.pk))
        for head in heads
    ]


def own_story(signal: Signal) -> list[Phase]:
    """The way of a signal on which nothing was decided (yet)."""
    return timeline(signal.received_at, [*_stored(signal), ("Handed out", True, signal.dispatched_at)])


def _travels(order: Order) -> bool:
    return order.release in TRAVELS_ALONG


def _stored(signal: Signal) -> Steps:
    """Until the signal could be decided: a delay that its sender asked for is nobody's time but the sender's."""
    stored = ("Stored", True, signal.stored_at)
    return [stored] if signal.not_before is None else [stored, ("Delayed, as asked for", False, signal.not_before)]


def _decided(signal: Signal, decision: Decision) -> Steps:
    """The phases before an order leaves, each with whether its time is Halyard's; an approver's is not."""
    stored = _stored(signal)
    if decision.expires_at is None:
        word = "Rejected" if decision.status == Decision.Status.REJECTED else "Decided"
        return [*stored, (word, True, decision.decided_at)]
    word = proposals.verdict(decision)
    who = f" by {decision.answered_by.email}" if decision.answered_by else ""
    answer = "Approval" if word == "proposed" else f"{word.capitalize()}{who}"
    end = None if word == "proposed" else decision.answered_at or decision.decided_at
    return [*stored, ("Proposed", True, proposals.proposed_at(decision)), (answer, False, end)]


def _story(signal: Signal, decision: Decision, order: Order, legs: tuple[Order, ...]) -> OrderStory:
    phases = timeline(
        signal.received_at,
        [
            *_decided(signal, decision),
            ("Sent to IBKR", True, order.submitted_at),
            ("Acknowledged", False, order.acknowledged_at),
            ("Filled", False, order.filled_at),
        ],
    )
    slipped = slippage(
        Side(order.side), order.signal_price, order.average_price, order.filled_quantity, order.multiplier
    )
    return OrderStory(order, phases, total(phases), slipped, legs, _result(decision, order))


def _result(decision: Decision, order: Order) -> str:
    """What an exit has made, against the average cost that its decision saw."""
    if order.role != Role.EXIT or not order.filled_quantity or order.average_price is None or not decision.inputs:
        return ""
    snapshot, _ = inputs.stored_snapshot(decision.inputs)
    sign = 1 if order.side == Side.SELL else -1
    units = sign * order.filled_quantity * order.multiplier
    fee: Decimal | None = getattr(order, "fee", None)
    return result_in_words(order.average_price, snapshot.average_cost, units, fees=fee, currency=order.currency)
