"""The size of an order at the broker: it may not be the one we asked for, and the broker's is the one that counts.

IBKR cuts the legs of an entry that fills in part, and an advisor's order to what its accounts can carry; a person changes
an order in TWS.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import OVER, SIZED_BY_THE_BROKER, OrderStatus, OrderType, Side
from brokers.domain.sentences import grouped
from brokers.models import Order, OrderChanges, OrderEvent
from brokers.orders import changes, tickets
from brokers.postgres.notices import ORDERS_CHANNEL, notify

# A report may be older than the change of ours that it arrives after: so long it is not believed to undo that change.
OLD_NEWS = timedelta(seconds=10)
# A list that was asked for before news of the stream comes home behind it: so long after a trail has moved, it moves one way.
OLD_TRAIL = timedelta(minutes=1)
# An order that ended otherwise keeps the size it had: how much of it was not filled is worth knowing.
_ENDED_SHORT = frozenset({OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


def follow(order: Order, report: OrderFacts, now: datetime) -> None:
    """Give our row the size that the broker shows, with an event that says so."""
    size = at_the_broker(order, report)
    if size is None or size == order.quantity or _is_old_news(order, size, now):
        return
    old = OrderStatus(order.status)
    if old is OrderStatus.FILLED:
        _reopen(order, report, size, now)
    elif old in SIZED_BY_THE_BROKER or report.status is OrderStatus.FILLED:
        _take_over(order, old, size, now)


def follow_trail(order: Order, report: OrderFacts, now: datetime) -> bool:
    """Give our row the prices to which the broker has moved a trailing stop limit; whether they are others. Call it before
    `follow`: a size that has changed as well is a reason to look twice.

    IBKR wants both with every change of the order: sent as they were once, they would loosen the stop.
    """
    stop, limit = report.stop_price, report.limit_price
    if order.type != OrderType.TRAILING_STOP_LIMIT or report.type != OrderType.TRAILING_STOP_LIMIT:
        return False
    if stop is None or limit is None or (stop, limit) == (order.stop_price, order.limit_price):
        return False
    if _is_from_before(order, report, stop, now):
        return False
    Order.objects.filter(pk=order.pk).update(stop_price=stop, limit_price=limit, trail_moved_at=now)
    order.stop_price, order.limit_price, order.trail_moved_at = stop, limit, now
    return True


def _is_from_before(order: Order, report: OrderFacts, stop: Decimal, now: datetime) -> bool:
    """Whether the report may have been made before the one that our row's prices are from.

    A trail moves one way only: a looser stop is of an older list, or of a split or of somebody who has changed the order,
    and these are still told when the older lists have long come home.
    """
    if order.trail_moved_at is None or order.stop_price is None or now - order.trail_moved_at > OLD_TRAIL:
        return False
    is_tighter = (stop - order.stop_price) * Side(order.side).sign < 0
    return not is_tighter or at_the_broker(order, report) not in (None, order.quantity)


def at_the_broker(order: Order, report: OrderFacts) -> Decimal | None:
    """How large the order is by this report; None where it does not say, or where it does not matter any more."""
    known = max(order.filled_quantity, report.filled_quantity or Decimal(0))
    if report.status is OrderStatus.FILLED and report.filled_quantity:
        # All of it is filled, whatever it was meant to be.
        return known
    if report.quantity is None or report.status in _ENDED_SHORT:
        return None
    return max(report.quantity, known)


def _is_old_news(order: Order, size: Decimal, now: datetime) -> bool:
    """Whether the report may have been made before IBKR took a change of ours."""
    taken = order.attempts.filter(changes.SIZES, kind=changes.MODIFY, outcome="accepted")
    last = taken.order_by("-pk").first()
    if last is None or last.answered_at is None or now - last.answered_at > OLD_NEWS:
        return False
    return Decimal(last.request.get("was", "0")) == size


def _take_over(order: Order, old: OrderStatus, size: Decimal, now: datetime) -> None:
    values = OrderChanges(quantity=size)
    was, in_place = order.quantity, order.resize_to is not None and size <= order.resize_to
    if in_place:
        # What we asked for has come about, whoever did it.
        values |= OrderChanges(resize_to=None, resize_asked_at=None)
        _conclude_resize(order, now)
    Order.objects.filter(pk=order.pk).update(**values)
    for column, value in values.items():
        setattr(order, column, value)
    if old in SIZED_BY_THE_BROKER:
        _note(order, old, f"IBKR has it at {grouped(size)} instead of {grouped(was)}", now)
    if size < was:
        # What waits for it to be smaller may leave.
        notify(ORDERS_CHANNEL, str(order.connection_id))
    elif old not in OVER and order.resize_to is None:
        tickets.end_outgrown(order, now)


def _conclude_resize(order: Order, now: datetime) -> None:
    asked = changes.attempts_for(changes.RESIZE).filter(order=order, sent_at__gte=order.resize_asked_at)
    asked.filter(outcome__in=[each for each in changes.IN_DOUBT if each]).update(outcome="accepted", answered_at=now)


def _reopen(order: Order, report: OrderFacts, size: Decimal, now: datetime) -> None:
    """An order that we had as filled works on: it was made larger before its last fill came home.

    A report that knows less of its fills than we do is an old one.
    """
    filled = report.filled_quantity
    if filled is None or filled < order.filled_quantity or size <= order.quantity:
        return
    cause = f"IBKR has it at {grouped(size)} instead of {grouped(order.quantity)}"
    if filled == size:
        Order.objects.filter(pk=order.pk).update(quantity=size, filled_quantity=filled)
        order.quantity, order.filled_quantity = size, filled
        return
    Order.objects.move(
        order, OrderStatus.PARTIALLY_FILLED, now=now, cause=cause, quantity=size, filled_quantity=filled, filled_at=None
    )


def _note(order: Order, status: OrderStatus, cause: str, now: datetime) -> None:
    """Written beside the order without touching the moment of its last move: its cancel may have been asked for since."""
    OrderEvent.objects.create(order=order, old=str(status), new=str(status), cause=cause, at=now)
