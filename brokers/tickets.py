"""Tickets: the orders of a plan, saved whole, and ended when they are too late to leave."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, QuerySet

from brokers import live
from brokers.domain.orders import OrderIntent, OrderStatus, Release
from brokers.models import BrokerageAccount, Order, OrderEvent, Ticket
from brokers.snapshots import ORDERS_CHANNEL, keys, notify

REFERENCE_PREFIX = "hy"


def new_reference() -> str:
    """A reference for one order, unique for good; it says nothing about whose order it is."""
    return f"{REFERENCE_PREFIX}-{uuid.uuid4().hex}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What becomes a ticket: the account, the plan's parts and until when its orders may leave."""

    account: BrokerageAccount
    key: uuid.UUID
    conid: int
    currency: str
    multiplier: Decimal
    intents: tuple[OrderIntent, ...]
    cancels: tuple[str, ...]
    expires_at: datetime
    signal_price: Decimal | None = None


def open_tickets(drafts: Sequence[Draft], now: datetime) -> list[Ticket]:
    """Save tickets with their orders (`created`), in the caller's transaction; lanes are woken when it commits."""
    if not drafts:
        return []
    tickets = Ticket.objects.bulk_create(
        Ticket(
            team_id=draft.account.team_id, account=draft.account, connection_id=draft.account.connection_id,
            key=draft.key, cancels=list(draft.cancels), queued_at=now,
        )
        for draft in drafts
    )  # fmt: skip
    level = [
        (_order(draft, ticket, intent, None, now), intent)
        for draft, ticket in zip(drafts, tickets, strict=True)
        for intent in draft.intents
    ]
    by_key = {draft.key: draft for draft in drafts}
    while level:
        # Parents first: a child's row names its parent's.
        Order.objects.bulk_create(order for order, _ in level)
        OrderEvent.objects.bulk_create(
            OrderEvent(order=order, new=str(OrderStatus.CREATED), cause="planned", at=now) for order, _ in level
        )
        level = [
            (_order(by_key[order.ticket.key], order.ticket, child, order, now), child)
            for order, intent in level
            for child in intent.then
        ]
    notify(ORDERS_CHANNEL, keys(draft.account.connection_id for draft in drafts))
    return tickets


def _order(draft: Draft, ticket: Ticket, intent: OrderIntent, parent: Order | None, now: datetime) -> Order:
    return Order(
        team_id=draft.account.team_id, ticket=ticket, account=draft.account,
        connection_id=draft.account.connection_id, parent=parent, reference=new_reference(),
        role=intent.role, release=intent.release, ticker=intent.instrument.ticker,
        asset_class=intent.instrument.asset_class, conid=draft.conid, currency=draft.currency,
        multiplier=draft.multiplier, side=intent.side, type=intent.type, time_in_force=intent.time_in_force,
        quantity=intent.quantity, limit_price=intent.limit_price, stop_price=intent.stop_price,
        outside_rth=intent.outside_rth, fa_group=intent.allocation.group if intent.allocation else "",
        fa_method=intent.allocation.method if intent.allocation else "", signal_price=draft.signal_price,
        estimated_fee=intent.estimated_fee, expires_at=draft.expires_at, created_at=now, changed_at=now,
    )  # fmt: skip


def overdue_orders(now: datetime) -> QuerySet[Order]:
    """Orders that never left and may not leave any more."""
    return Order.objects.filter(status=str(OrderStatus.CREATED), expires_at__lte=now).filter(
        Q(parent__isnull=True) | ~Q(release=str(Release.WITH_PARENT))
    )


@transaction.atomic
def expire_overdue(now: datetime, connection_pk: int | None = None) -> int:
    """Too late is an answer: what has not left by its time is not sent any more."""
    overdue = overdue_orders(now).select_related("connection")
    if connection_pk is not None:
        overdue = overdue.filter(connection_id=connection_pk)
    count = 0
    for order in overdue.select_for_update(of=("self",), skip_locked=True):
        count += expire(order, now)
    return count


def expire(order: Order, now: datetime) -> bool:
    """End an order that is too late, with the reason it could not leave in time."""
    return end_unsent(order, OrderStatus.EXPIRED, _why_late(order), now)


def _why_late(order: Order) -> str:
    connection = order.connection
    said = connection.session_reason or "the broker could not be reached"
    waited = (order.expires_at - order.created_at).total_seconds()
    if not connection.enabled:
        said = "its connection is switched off"
    return f"Not sent: it could not leave within {waited:.0f} seconds of its signal. Last known: {said}"


def end_unsent(order: Order, status: OrderStatus, reason: str, now: datetime) -> bool:
    """End an order that never left, with everything that waits for it."""
    if not Order.objects.move(order, status, now=now, cause=reason, reason=reason[:400]):
        return False
    for child in order.children.filter(status=str(OrderStatus.CREATED)):
        end_unsent(child, OrderStatus.CANCELED, "Its parent order was never sent.", now)
    finish_ticket_if_done(order.ticket_id, now)
    live.order_changed(order)
    return True


def finish_ticket_if_done(ticket_pk: int, now: datetime) -> None:
    """A ticket is worked when none of its orders waits to leave any more."""
    waiting = Order.objects.filter(ticket_id=ticket_pk, status=str(OrderStatus.CREATED))
    Ticket.objects.filter(pk=ticket_pk, worked_at__isnull=True).exclude(pk__in=waiting.values("ticket_id")).update(
        worked_at=now
    )
