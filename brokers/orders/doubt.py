"""Orders in doubt: sent, and their answer lost. Found by reference, or proven absent; never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from brokers import live
from brokers.domain.orders import IN_FLIGHT, WORKING, OrderStatus, Release
from brokers.domain.session import clocks
from brokers.models import Order, SubmissionAttempt, Ticket
from brokers.orders.tickets import back_in_the_queue
from brokers.orders.unsent import finish_ticket_if_done
from brokers.postgres.notices import ORDERS_CHANNEL, notify


@transaction.atomic
def doubt_abandoned(connection_pk: int, now: datetime) -> int:
    """Orders that a dead worker left between "sent" and "heard" become unknown. Call it only under the connection's lock."""
    left = Order.objects.select_for_update().filter(connection_id=connection_pk, status=str(OrderStatus.SUBMITTED))
    reason = "Halyard was interrupted while IBKR's answer was on its way; looking for the order. It was not sent again."
    count = 0
    for order in left:
        count += Order.objects.move(order, OrderStatus.UNKNOWN, now=now, cause=reason, reason=reason)
        live.order_changed(order)
    return count


def unknown_orders(connection_pk: int) -> list[Order]:
    """Orders whose answer was lost, oldest first."""
    return list(
        Order.objects.filter(connection_id=connection_pk, status=str(OrderStatus.UNKNOWN))
        .select_related("account")
        .order_by("id")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How often, and over how long, a reference must be missing from complete answers before it counts as absent."""

    reads: int = 3
    seconds: float = 30.0
    resend: bool = False


@transaction.atomic
def note_absence(order: Order, proof: Proof, now: datetime) -> None:
    """The broker's complete answer does not show the order. Enough of these, and it was never placed."""
    fresh = Order.objects.select_for_update().get(pk=order.pk)
    if fresh.status != OrderStatus.UNKNOWN:
        return
    if clocks.is_ahead(fresh.changed_at, now):
        # The clock was set back since: how long it has been missing is counted anew.
        Order.objects.filter(pk=fresh.pk).update(absences=0, changed_at=now, checked_at=now)
        return
    Order.objects.filter(pk=fresh.pk).update(absences=F("absences") + 1, checked_at=now)
    missing_for = (now - fresh.changed_at).total_seconds()
    if fresh.absences + 1 < proof.reads or missing_for < proof.seconds:
        return
    tries = fresh.attempts.filter(kind=SubmissionAttempt.Kind.POST).count()
    if proof.resend and fresh.expires_at > now and tries < 2 and _can_leave_again(fresh):
        _send_again(fresh, now)
        return
    reason = "Not placed: IBKR shows no such order. Send the signal again if it is still wanted."
    if _is_leg(fresh):
        reason = "Not placed: IBKR has the order that this leg came with, and not the leg. Check how it is protected."
    if Order.objects.move(fresh, OrderStatus.EXPIRED, now=now, cause=reason, reason=reason):
        finish_ticket_if_done(fresh.ticket_id, now)
        live.order_changed(fresh)


def _is_leg(order: Order) -> bool:
    return order.release in {str(Release.WITH_PARENT), str(Release.IN_GROUP)}


def _can_leave_again(order: Order) -> bool:
    """A leg leaves with its parent or not at all: alone it would wait for good."""
    return not _is_leg(order) or (order.parent is not None and order.parent.status == OrderStatus.CREATED)


def _send_again(order: Order, now: datetime) -> None:
    """Proven absent and still fresh: the same reference may leave once more; IBKR refuses it if it has it after all."""
    cause = "IBKR has never had this order; sending it again under the same reference."
    # Two moves, since "proven absent" and "back in the queue" are two facts.
    Order.objects.move(order, OrderStatus.SUBMITTED, now=now, cause=cause)
    Order.objects.move(order, OrderStatus.CREATED, now=now, cause=cause, submitted_at=None, absences=0, reason="")
    Ticket.objects.filter(pk=order.ticket_id).update(worked_at=None)
    back_in_the_queue(order, now)
    notify(ORDERS_CHANNEL)


def all_in_flight() -> frozenset[int]:
    """The connections with orders at the broker that may still change."""
    states = [str(status) for status in IN_FLIGHT | WORKING]
    return frozenset(Order.objects.filter(status__in=states).values_list("connection_id", flat=True).distinct())
