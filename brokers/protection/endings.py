"""How a stop ended that was to protect something, by its own row; which stops end with the target beside them, and what those
of an advisor's group are to protect."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from brokers.domain.orders import MAY_FILL, OVER, OrderStatus, Release, Role
from brokers.domain.protection.scenes import NOTHING, Fault
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


def beside_filled(orders: Sequence[Order]) -> set[int]:
    """Keys of the stops beside whose target one has filled: IBKR cancels them, whether or not that is known here."""
    # A target hangs on its entry, with the stop, or on the stop that leads their group.
    filled = {o.parent_id for o in orders if o.role == Role.TAKE_PROFIT and o.status == OrderStatus.FILLED}
    stops = [order for order in orders if order.role == Role.STOP_LOSS]
    return {
        stop.pk
        for stop in stops
        if stop.pk in filled or (stop.release == Release.WITH_PARENT and stop.parent_id in filled)
    }


def parts_of_groups(stops: Sequence[Order], mends: Collection[UUID], since: datetime | None) -> list[Order]:
    """The stops that the account got of entries of groups, since it holds this, and that nobody has ended on purpose.

    The entry of a group is an order of the advisor's own account: in a client's no entry says how much is to have a stop.
    """
    return [
        stop
        for stop in stops
        if stop.group_entry_id is not None
        and stop.ticket.key not in mends
        and (stop.status in MAY_FILL or (since is not None and stop.created_at >= since))
        and not (stop.status in ENDED_SHORT and fault_of(stop) is Fault.ASKED)
    ]


def owed_to(parts: Sequence[Order], orders: Sequence[Order], mends: Collection[UUID]) -> Decimal:
    """How many units these stops are to protect: what each works for, and of one that ended what neither it nor its target has
    closed, nor a stop in its place."""
    sold = {o.parent_id: o.filled_quantity for o in orders if o.role == Role.TAKE_PROFIT}
    works = sum(
        ((stop.resize_to or stop.quantity) - stop.filled_quantity for stop in parts if _may_fill(stop)), NOTHING
    )
    ended = [stop for stop in parts if not _may_fill(stop)]
    left = sum((max(o.quantity - o.filled_quantity - sold.get(o.pk, NOTHING), NOTHING) for o in ended), NOTHING)
    instead = [o for o in orders if o.role == Role.STOP_LOSS and o.group_entry_id is not None and o.ticket.key in mends]
    return works + max(left - sum((o.filled_quantity for o in instead), NOTHING), NOTHING)


def _may_fill(order: Order) -> bool:
    return OrderStatus(order.status) in MAY_FILL
