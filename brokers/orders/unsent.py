"""Orders that never left: ended with everything behind them, by a cancel or because they are too late."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q, QuerySet, Value
from django.db.models.functions import Least

from accounts.turns import in_portions, in_turn
from brokers import live
from brokers.connections import nights
from brokers.domain.elsewhere import classes
from brokers.domain.orders import MAY_FILL, OrderStatus, Release
from brokers.domain.questions import WAYS_OUT
from brokers.domain.sentences import cut, ended, grouped
from brokers.domain.session import clocks
from brokers.domain.sessions import Environment
from brokers.models import Order, OrderChanges, Position, Ticket
from brokers.orders.waits import behind_cancels, good_till

# Of what is due at once: so much of it is looked at, in such portions, for so long.
MOST, AT_ONCE, LONGEST_SECONDS = 2_000, 50, 1.0
_NOT_ASKED = [str(status) for status in MAY_FILL - {OrderStatus.PENDING_CANCEL}]


def overdue_orders(now: datetime) -> QuerySet[Order]:
    """Orders that never left and may not leave any more."""
    return Order.objects.filter(status=str(OrderStatus.CREATED), expires_at__lte=now).filter(
        Q(parent__isnull=True) | ~Q(release__in=[str(Release.WITH_PARENT), str(Release.IN_GROUP)])
    )


def expire_overdue(now: datetime, connection_pk: int | None = None) -> int:
    """End the orders that have not left by their time; returns how many. Too late is an answer.

    Team by team in turn: what a flood has left behind holds up no other team, and each portion is a transaction.
    """
    _date_again(now, connection_pk)
    overdue = overdue_orders(now)
    if connection_pk is not None:
        overdue = overdue.filter(connection_id=connection_pk)
    keys = in_turn(overdue, MOST, order="expires_at")
    return in_portions(keys, lambda some: _expire(some, now), at_once=AT_ONCE, seconds=LONGEST_SECONDS)


@transaction.atomic
def _expire(keys: list[int], now: datetime) -> int:
    overdue = overdue_orders(now).filter(pk__in=keys).select_related("connection", "ticket", "parent")
    place = {key: number for number, key in enumerate(keys)}
    count = 0
    for order in sorted(overdue.select_for_update(of=("self",), skip_locked=True), key=lambda order: place[order.pk]):
        waits = _waits_out_the_night(order, now) or behind_cancels.wait(order, now)
        count += not waits and expire(order, now)
    return count


def _date_again(now: datetime, connection_pk: int | None) -> None:
    """Let the time of orders that were made before the clock was set back begin now: by theirs they could leave for hours."""
    ahead = Order.objects.filter(status=str(OrderStatus.CREATED), created_at__gt=now + clocks.SKEW)
    if connection_pk is not None:
        ahead = ahead.filter(connection_id=connection_pk)
    again = ExpressionWrapper(Value(now) + (F("expires_at") - F("created_at")), output_field=DateTimeField())
    ahead.update(created_at=now, expires_at=Least(again, F("good_till")))


def _waits_out_the_night(order: Order, now: datetime) -> bool:
    """Give a way out the time back that it could not leave in, since IBKR was away; whether it may still leave."""
    connection = order.connection
    if order.role not in WAYS_OUT or connection.environment == Environment.SIMULATED:
        return False
    region = nights.region_of(connection)
    until = good_till.before_its_end(order, nights.resets().deadline(order.created_at, order.expires_at, region))
    if until <= now:
        return False
    Order.objects.filter(pk=order.pk, status=str(OrderStatus.CREATED)).update(expires_at=until)
    return True


def expire(order: Order, now: datetime) -> bool:
    """End an order that is too late, with the reason it could not leave in time."""
    if order.good_till is not None and order.good_till <= now:
        return end_unsent(order, OrderStatus.EXPIRED, good_till.why_not_sent(order.good_till), now, good_till.PASSED)
    if reason := behind_cancels.why_late(order, now):
        return end_unsent(order, OrderStatus.EXPIRED, reason, now)
    if (other := _held_as_another_class(order)) is not None:
        return end_unsent(order, OrderStatus.EXPIRED, other.reason, now, other.code)
    return end_unsent(order, OrderStatus.EXPIRED, _why_late(order), now)


def _held_as_another_class(order: Order) -> classes.Refusal | None:
    """Why `statements.TAKE_NEXT` passed the order by: IBKR holds its contract as another class."""
    held = Position.objects.filter(account_id=order.account_id, conid=order.conid).exclude(
        asset_class=order.asset_class
    )
    held_as = held.values_list("asset_class", flat=True).first()
    return None if held_as is None else classes.mismatch(order.ticker, held_as, order.asset_class)


def expire_in_line(order: Order, reason: str, code: str, now: datetime) -> bool:
    """End an order whose time was over before it had its turn to leave; a way out first gets back what IBKR's night took."""
    if order.status != OrderStatus.CREATED or _waits_out_the_night(order, now):
        return False
    return end_unsent(order, OrderStatus.EXPIRED, reason, now, code)


def in_words(order: Order) -> str:
    """An order as a sentence about another one names it."""
    return f"the order to {order.side} {grouped(order.quantity)} {order.ticker}"


def _why_late(order: Order) -> str:
    if order.release == Release.AFTER_PARENT_FILLS and order.parent is not None and order.parent.status in MAY_FILL:
        waited = (order.expires_at - order.created_at).total_seconds()
        return f"Not sent: {in_words(order.parent)}, which it was to follow, did not fill within {waited:.0f} seconds."
    if filled := _filled_after_all(order):
        return f"Not sent: {in_words(filled)} was filled before it could be canceled, so the plan no longer fits the position."
    if order.asks_first:
        waited = (order.expires_at - order.created_at).total_seconds()
        return f"Not sent: IBKR's preview, which its terms ask for first, did not come within {waited:.0f} seconds of its signal."
    connection = order.connection
    reason = connection.session_reason or "the broker could not be reached"
    if nights.night_of(connection, order.expires_at) is not None:
        reason = "IBKR restarts its servers at this hour, and nothing is sent shortly before it and meanwhile"
    waited = (order.expires_at - order.created_at).total_seconds()
    if not connection.enabled:
        reason = "its connection is switched off"
    return f"Not sent: it could not leave within {waited:.0f} seconds of its signal. Last known: {ended(reason)}"


def _filled_after_all(order: Order) -> Order | None:
    """The order that this one was to follow and that filled more than its plan knew."""
    filled = {str(cancel["reference"]): Decimal(cancel["filled"]) for cancel in order.ticket.cancels}
    for canceled in Order.objects.filter(reference__in=filled) if filled else ():
        if canceled.filled_quantity > filled[canceled.reference]:
            return canceled
    return None


def end_unsent(order: Order, status: OrderStatus, reason: str, now: datetime, code: str = "") -> bool:
    """End an order that never left, with everything that waits for it."""
    changes = OrderChanges(reason=cut(reason, 400))
    if code:
        changes["reason_code"] = code
    if not Order.objects.move(order, status, now=now, cause=reason, **changes):
        return False
    if order.parent_id is None and order.ticket.resizes:
        # What was not made smaller yet keeps its size: nothing leaves that it would have to make room for.
        references = [str(resize["reference"]) for resize in order.ticket.resizes]
        Order.objects.filter(reference__in=references).update(resize_to=None, resize_asked_at=None)
    for child in order.children.filter(status=str(OrderStatus.CREATED)):
        end_unsent(child, OrderStatus.CANCELED, "Its parent order was never sent.", now)
    finish_ticket_if_done(order.ticket_id, now)
    live.order_changed(order)
    return True


def finish_ticket_if_done(ticket_pk: int, now: datetime) -> None:
    """A ticket is worked when none of its orders waits to leave any more, and none of its cancels to be asked for."""
    waiting = Order.objects.filter(ticket_id=ticket_pk, status=str(OrderStatus.CREATED))
    open_ticket = Ticket.objects.filter(pk=ticket_pk, worked_at__isnull=True).exclude(
        pk__in=waiting.values("ticket_id")
    )
    for cancels in open_ticket.exclude(cancels=[]).values_list("cancels", flat=True):
        references = [cancel["reference"] for cancel in cancels]
        if Order.objects.filter(reference__in=references, status__in=_NOT_ASKED).exists():
            return
    open_ticket.update(worked_at=now)
