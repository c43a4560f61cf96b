"""How a stop ended that was to protect something, by its own row."""

from __future__ import annotations

from collections.abc import Sequence

from brokers.domain.orders import OVER, OrderStatus, Release
from brokers.domain.protection.scenes import Fault
from brokers.models import Order
from brokers.orders.doubt import PROVEN_ABSENT
from brokers.orders.tickets import BEFORE_IT_LEFT
from brokers.orders.undecided import GIVEN_UP, PLACED_ANEW

_LOST = frozenset({PROVEN_ABSENT, GIVEN_UP, PLACED_ANEW})
_BEFORE_IT_LEFT = BEFORE_IT_LEFT[:-1]
ENDED_SHORT = OVER - {OrderStatus.FILLED}


def ended_last(
    stops: Sequence[Order], made: Sequence[Order], entries: Sequence[Order], asked: Sequence[Order]
) -> Order | None:
    """The last stop of what is held or coming that ended without doing its work."""
    families = {order.pk for order in (*made, *entries)}
    first = min([*families, *(order.pk for order in asked)], default=None)
    if first is None:
        return None
    ended = [
        stop
        for stop in stops
        if stop.status in ENDED_SHORT and (stop.parent_id in families or (stop.pk > first and stop.parent_id is None))
    ]
    return max(ended, key=lambda order: order.pk, default=None)


def fault_of(stop: Order) -> Fault:
    status = OrderStatus(stop.status)
    if stop.reason_code in _LOST and stop.submitted_at is not None:
        return Fault.LOST
    if stop.events.filter(new=str(OrderStatus.PENDING_CANCEL)).exists():
        return Fault.ASKED
    if status is OrderStatus.CANCELED and stop.submitted_at is None and stop.reason.startswith(_BEFORE_IT_LEFT):
        return Fault.ASKED
    if stop.submitted_at is None or status is OrderStatus.DENIED:
        return Fault.NOT_SENT
    if status is OrderStatus.REJECTED:
        return Fault.HALF_ACCEPTED if stop.release == Release.WITH_PARENT else Fault.REFUSED
    return Fault.CANCELED
