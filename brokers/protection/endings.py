"""How a stop ended that was to protect something, by its own row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from brokers.domain.orders import OVER, OrderStatus, Release
from brokers.domain.protection.scenes import Fault
from brokers.models import Lapse, Order
from brokers.orders.doubt import PROVEN_ABSENT
from brokers.orders.undecided import GIVEN_UP, PLACED_ANEW
from brokers.orders.waits.wished_cancels import BEFORE_IT_LEFT

# Stops placed by Halyard in this time count as tries.
TRIED_WITHIN = timedelta(hours=1)
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


def keys_of_mends(lapses: Sequence[Lapse]) -> set[UUID]:
    """The keys of the tickets that lapses have sent."""
    return {lapse.key_of(number) for lapse in lapses for number in range(1, lapse.sent + 1)}


def tries_of(orders: Sequence[Order], mends: set[UUID], now: datetime) -> int:
    """Stops that were placed for lapses of late, and ended without a fill although nobody asked for that."""
    return sum(
        order.ticket.key in mends
        and OrderStatus(order.status) in OVER
        and not order.filled_quantity
        and order.created_at > now - TRIED_WITHIN
        and fault_of(order) is not Fault.ASKED
        for order in orders
    )
