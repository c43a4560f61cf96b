"""Cancels that tickets wish: asked for once the order has arrived, or settled where it never left."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from brokers import live
from brokers.domain.orders import WAITING, WORKING, OrderStatus, can_move
from brokers.models import BrokerageAccount, Order, SubmissionAttempt, Ticket
from brokers.orders.unsent import end_unsent, finish_ticket_if_done
from brokers.postgres.notices import ORDERS_CHANNEL, notify

LATER_SIGNAL = "canceled by a later signal"
BEFORE_IT_LEFT = "Canceled before it was sent."


def ask_cancels(ticket: Ticket, now: datetime) -> None:
    """Ask for the cancels of a ticket, as far as they can be asked for: an order on its way has to arrive first."""
    if not ticket.cancels:
        return
    references = [str(cancel["reference"]) for cancel in ticket.cancels]
    moved = False
    for order in Order.objects.select_for_update().filter(reference__in=references).order_by("pk"):
        status = OrderStatus(order.status)
        if status in WAITING:
            end_unsent(order, OrderStatus.CANCELED, unsent_because(_why_canceled(ticket, order)), now)
        elif _can_be_asked(order, ticket):
            cause = _why_canceled(ticket, order)
            moved |= Order.objects.move(order, OrderStatus.PENDING_CANCEL, now=now, cause=cause)
            live.order_changed(order)
    if moved:
        notify(ORDERS_CHANNEL, str(ticket.connection_id))
    finish_ticket_if_done(ticket.pk, now)


def _why_canceled(ticket: Ticket, order: Order) -> str:
    """The cause on record with a wished cancel; a plan's cancels have none."""
    causes = (cancel.get("cause") for cancel in ticket.cancels if cancel["reference"] == order.reference)
    return str(next(causes, "") or LATER_SIGNAL)


def unsent_because(cause: str) -> str:
    """The sentence of an order that was canceled before it left."""
    return BEFORE_IT_LEFT if cause == LATER_SIGNAL else f"{BEFORE_IT_LEFT[:-1]}: {cause}"


def wish_cancels(account: BrokerageAccount, orders: Sequence[Order], cause: str, now: datetime) -> None:
    """Let orders that are on their way to the broker be canceled as soon as it is known that they arrived.

    The wish is a ticket without orders of its own. An order that comes back unsent is ended instead of leaving again.
    """
    wished = {str(cancel["reference"]) for ticket in _open_wishes(account.pk) for cancel in ticket.cancels}
    fresh = [order for order in orders if order.reference not in wished]
    if fresh:
        Ticket.objects.create(
            team_id=account.team_id,
            account=account,
            connection_id=account.connection_id,
            key=uuid.uuid4(),
            queued_at=now,
            cancels=[
                {"reference": order.reference, "filled": str(order.filled_quantity), "cause": cause} for order in fresh
            ],
        )


def _open_wishes(account_pk: int) -> QuerySet[Ticket]:
    return Ticket.objects.filter(account=account_pk, worked_at__isnull=True).exclude(cancels=[])


def _wishes_for(order: Order) -> QuerySet[Ticket]:
    return _open_wishes(order.account_id).filter(cancels__contains=[{"reference": order.reference}])


def is_to_be_canceled(order: Order) -> bool:
    """Whether an order on its way was wished canceled, which cannot be asked for before the broker has it."""
    return _wishes_for(order).exists()


def back_in_the_queue(order: Order, now: datetime) -> None:
    """Let an order that has provably not left wait again, unless it was wished canceled while it was on its way."""
    for ticket in _wishes_for(order).order_by("pk")[:1]:
        end_unsent(order, OrderStatus.CANCELED, unsent_because(_why_canceled(ticket, order)), now)
        finish_ticket_if_done(ticket.pk, now)


def _can_be_asked(order: Order, ticket: Ticket) -> bool:
    """The broker has it, and has not refused this very cancel: asking every second would not change its mind."""
    status = OrderStatus(order.status)
    if status not in WORKING or not order.broker_order_id or not can_move(status, OrderStatus.PENDING_CANCEL):
        return False
    refused = order.attempts.filter(
        kind=SubmissionAttempt.Kind.CANCEL, outcome="rejected", sent_at__gte=ticket.queued_at
    )
    return not refused.exists()


def with_open_cancels() -> QuerySet[Ticket]:
    """Tickets of which an order to be canceled has not been asked about, since it was on its way."""
    arrived = Order.objects.filter(
        status__in=[str(OrderStatus.ACCEPTED), str(OrderStatus.PARTIALLY_FILLED)], account_id=OuterRef("account_id")
    ).exclude(broker_order_id="")
    return Ticket.objects.filter(Exists(arrived), worked_at__isnull=True).exclude(cancels=[])
