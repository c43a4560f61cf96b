"""Tickets: the orders of a plan, saved whole, and ended when they are too late to leave."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from brokers import live
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    MAY_FILL,
    OVER,
    WAITING,
    WORKING,
    OrderIntent,
    OrderStatus,
    Release,
    Resize,
    can_move,
)
from brokers.models import BrokerageAccount, Order, OrderEvent, SubmissionAttempt, Ticket
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, keys, notify

REFERENCE_PREFIX = "hy"
LATER_SIGNAL = "canceled by a later signal"
BEFORE_IT_LEFT = "Canceled before it was sent."
_CHANGEABLE = [str(each) for each in CHANGED_IN_PLACE]
_NOT_ASKED = [str(each) for each in MAY_FILL - {OrderStatus.PENDING_CANCEL}]


def new_reference() -> str:
    """A reference for one order, unique for good; it says nothing about whose order it is."""
    return f"{REFERENCE_PREFIX}-{uuid.uuid4().hex}"


def named(intent: OrderIntent) -> OrderIntent:
    """The same order and those behind it, each with a reference: what is planned next may have to cancel it."""
    return replace(intent, reference=new_reference(), then=tuple(named(child) for child in intent.then))


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
    resizes: tuple[Resize, ...] = ()
    # What the plan knew to be filled of the orders it cancels and shrinks.
    known: Mapping[str, Decimal] = field(default_factory=dict)
    signal_price: Decimal | None = None
    cause: str = "planned"


def open_tickets(drafts: Sequence[Draft], now: datetime) -> list[Ticket]:
    """Save tickets with their orders (`created`), in the caller's transaction; lanes are woken when it commits."""
    if not drafts:
        return []
    touched = _locked(
        {reference for draft in drafts for reference in draft.cancels}
        | {each.reference for draft in drafts for each in draft.resizes}
    )
    filled = {order.reference: order.filled_quantity for order in touched}
    tickets = Ticket.objects.bulk_create(
        Ticket(
            team_id=draft.account.team_id,
            account=draft.account,
            connection_id=draft.account.connection_id,
            key=draft.key,
            queued_at=now,
            cancels=[{"reference": each, "filled": _known(draft, each, filled)} for each in draft.cancels],
            resizes=[
                {
                    "reference": each.reference,
                    "quantity": str(each.quantity),
                    "filled": _known(draft, each.reference, filled),
                }
                for each in draft.resizes
            ],
        )
        for draft in drafts
    )
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
            OrderEvent(order=order, new=str(OrderStatus.CREATED), cause=by_key[order.ticket.key].cause[:300], at=now)
            for order, _ in level
        )
        level = [
            (_order(by_key[order.ticket.key], order.ticket, child, order, now), child)
            for order, intent in level
            for child in intent.then
        ]
    for ticket in tickets:
        ask_cancels(ticket, now)
    for each in (each for draft in drafts for each in draft.resizes):
        Order.objects.filter(reference=each.reference, status__in=_CHANGEABLE, quantity__gt=each.quantity).update(
            resize_to=each.quantity, resize_asked_at=now
        )
    end_unfit(touched, now)
    notify(ORDERS_CHANNEL, keys(draft.account.connection_id for draft in drafts))
    return tickets


def _locked(references: set[str]) -> list[Order]:
    """The orders to be canceled, held still until the ticket says what they have filled."""
    if not references:
        return []
    return list(Order.objects.select_for_update().filter(reference__in=references).order_by("pk"))


def _known(draft: Draft, reference: str, filled: Mapping[str, Decimal]) -> str:
    return f"{draft.known.get(reference, filled.get(reference, Decimal(0))):f}"


def end_unfit(orders: Iterable[Order], now: datetime) -> None:
    """End what was planned behind these orders, once they have filled more than the plan knew.

    The ticket is marked, so that whoever made the plan makes another one on the position that came of it. What is to be
    canceled has to be over first: until then it may go on filling.
    """
    filled = {order.reference: order for order in orders if order.filled_quantity}
    if not filled:
        return
    accounts = {order.account_id for order in filled.values()}
    behind = Ticket.objects.filter(account__in=accounts, worked_at__isnull=True).exclude(cancels=[], resizes=[])
    for ticket in behind.select_for_update().order_by("pk"):
        over = [each for each in ticket.cancels if (it := filled.get(each["reference"])) and it.status in OVER]
        late = [each for each in (*over, *ticket.resizes) if _filled_more(filled.get(each["reference"]), each)]
        if late:
            end_plan(ticket, _too_late(filled[late[0]["reference"]]), now)


def end_plan(ticket: Ticket, reason: str, now: datetime) -> None:
    """End the orders of a ticket that have not left, since their plan no longer fits; it is planned again."""
    unsent = ticket.orders.filter(status=str(OrderStatus.CREATED), release=str(Release.AT_ONCE))
    ended = [end_unsent(each, OrderStatus.CANCELED, reason, now) for each in unsent]
    if any(ended):
        Ticket.objects.filter(pk=ticket.pk).update(unfit_at=now)
        notify(DECISIONS_CHANNEL)


def _filled_more(order: Order | None, knew: Mapping[str, str]) -> bool:
    return order is not None and order.filled_quantity > Decimal(knew["filled"])


def ask_cancels(ticket: Ticket, now: datetime) -> None:
    """Ask for the cancels of a ticket, as far as they can be asked for: an order on its way has to arrive first."""
    if not ticket.cancels:
        return
    wanted = [str(each["reference"]) for each in ticket.cancels]
    moved = False
    for order in Order.objects.select_for_update().filter(reference__in=wanted).order_by("pk"):
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
    """The reason that was given with the wish; a plan's cancels need none."""
    given = (each.get("cause") for each in ticket.cancels if each["reference"] == order.reference)
    return str(next(given, "") or LATER_SIGNAL)


def unsent_because(cause: str) -> str:
    """The sentence of an order that was canceled before it left."""
    return BEFORE_IT_LEFT if cause == LATER_SIGNAL else f"{BEFORE_IT_LEFT[:-1]}: {cause}"


def wish_cancels(account: BrokerageAccount, orders: Sequence[Order], cause: str, now: datetime) -> None:
    """Let orders that are on their way to the broker be canceled as soon as it is known that they arrived.

    The wish is a ticket without orders of its own. An order that comes back unsent is ended instead of leaving again.
    """
    wished = {str(each["reference"]) for ticket in _open_wishes(account.pk) for each in ticket.cancels}
    fresh = [order for order in orders if order.reference not in wished]
    if fresh:
        Ticket.objects.create(
            team_id=account.team_id,
            account=account,
            connection_id=account.connection_id,
            key=uuid.uuid4(),
            queued_at=now,
            cancels=[
                {"reference": each.reference, "filled": str(each.filled_quantity), "cause": cause} for each in fresh
            ],
        )


def _open_wishes(account_pk: int) -> QuerySet[Ticket]:
    return Ticket.objects.filter(account=account_pk, worked_at__isnull=True).exclude(cancels=[])


def back_in_the_queue(order: Order, now: datetime) -> None:
    """An order has provably not left and waits again; unless somebody wished it canceled while it was on its way."""
    wishes = _open_wishes(order.account_id).filter(cancels__contains=[{"reference": order.reference}])
    for ticket in wishes.order_by("pk")[:1]:
        end_unsent(order, OrderStatus.CANCELED, unsent_because(_why_canceled(ticket, order)), now)
        finish_ticket_if_done(ticket.pk, now)


def _can_be_asked(order: Order, ticket: Ticket) -> bool:
    """The broker has it, and has not refused this very cancel: asking every second would not change its mind."""
    status = OrderStatus(order.status)
    if status not in WORKING or not order.broker_order_id or not can_move(status, OrderStatus.PENDING_CANCEL):
        return False
    said_no = order.attempts.filter(
        kind=SubmissionAttempt.Kind.CANCEL, outcome="rejected", sent_at__gte=ticket.queued_at
    )
    return not said_no.exists()


def with_open_cancels() -> QuerySet[Ticket]:
    """Tickets of which an order to be canceled has not been asked about, since it was on its way."""
    arrived = Order.objects.filter(
        status__in=[str(OrderStatus.ACCEPTED), str(OrderStatus.PARTIALLY_FILLED)], account_id=OuterRef("account_id")
    ).exclude(broker_order_id="")
    return Ticket.objects.filter(Exists(arrived), worked_at__isnull=True).exclude(cancels=[])


def _order(draft: Draft, ticket: Ticket, intent: OrderIntent, parent: Order | None, now: datetime) -> Order:
    return Order(
        team_id=draft.account.team_id,
        ticket=ticket,
        account=draft.account,
        connection_id=draft.account.connection_id,
        parent=parent,
        reference=intent.reference or new_reference(),
        role=intent.role,
        release=intent.release,
        ticker=intent.instrument.ticker,
        asset_class=intent.instrument.asset_class,
        conid=draft.conid,
        currency=draft.currency,
        multiplier=draft.multiplier,
        side=intent.side,
        type=intent.type,
        time_in_force=intent.time_in_force,
        quantity=intent.quantity,
        limit_price=intent.limit_price,
        stop_price=intent.stop_price,
        trail_amount=intent.trail_amount,
        trail_percent=intent.trail_percent,
        cancel_after=intent.cancel_after,
        convert_after=intent.convert_after,
        outside_rth=intent.outside_rth,
        fa_group=intent.allocation.group if intent.allocation else "",
        fa_method=intent.allocation.method if intent.allocation else "",
        signal_price=draft.signal_price,
        estimated_fee=intent.estimated_fee,
        expires_at=_leaves_by(draft, intent, now),
        created_at=now,
        changed_at=now,
    )


def _leaves_by(draft: Draft, intent: OrderIntent, now: datetime) -> datetime:
    if intent.leave_within is None:
        return draft.expires_at
    return min(draft.expires_at, now + timedelta(seconds=intent.leave_within))


def overdue_orders(now: datetime) -> QuerySet[Order]:
    """Orders that never left and may not leave any more."""
    return Order.objects.filter(status=str(OrderStatus.CREATED), expires_at__lte=now).filter(
        Q(parent__isnull=True) | ~Q(release__in=[str(Release.WITH_PARENT), str(Release.IN_GROUP)])
    )


@transaction.atomic
def expire_overdue(now: datetime, connection_pk: int | None = None) -> int:
    """Too late is an answer: what has not left by its time is not sent any more."""
    overdue = overdue_orders(now).select_related("connection", "ticket")
    if connection_pk is not None:
        overdue = overdue.filter(connection_id=connection_pk)
    count = 0
    for order in overdue.select_for_update(of=("self",), skip_locked=True):
        count += expire(order, now)
    return count


def expire(order: Order, now: datetime) -> bool:
    """End an order that is too late, with the reason it could not leave in time."""
    return end_unsent(order, OrderStatus.EXPIRED, _why_late(order), now)


def said_of(order: Order) -> str:
    """An order in a sentence about another one."""
    return f"the order to {order.side} {order.quantity.normalize():f} {order.ticker}"


def _why_late(order: Order) -> str:
    if order.release == Release.AFTER_PARENT_FILLS and order.parent is not None and order.parent.status in MAY_FILL:
        waited = (order.expires_at - order.created_at).total_seconds()
        return f"Not sent: {said_of(order.parent)}, which it was to follow, did not fill within {waited:.0f} seconds."
    if filled := _filled_after_all(order):
        return f"Not sent: {filled} was filled before it could be canceled, so the plan no longer fits the position."
    connection = order.connection
    said = connection.session_reason or "the broker could not be reached"
    waited = (order.expires_at - order.created_at).total_seconds()
    if not connection.enabled:
        said = "its connection is switched off"
    return f"Not sent: it could not leave within {waited:.0f} seconds of its signal. Last known: {said}"


def _too_late(order: Order) -> str:
    filled, quantity = f"{order.filled_quantity.normalize():f}", f"{order.quantity.normalize():f}"
    return (
        f"Not sent: {filled} of the order to {order.side} {quantity} {order.ticker} were filled before it could be changed, "
        "so the plan no longer fits the position. It is planned again."
    )


def _filled_after_all(order: Order) -> str:
    """The order that this one was to follow and that filled more than its plan knew; nothing where there is none."""
    knew = {str(each["reference"]): Decimal(each["filled"]) for each in order.ticket.cancels}
    for canceled in Order.objects.filter(reference__in=knew) if knew else ():
        if canceled.filled_quantity > knew[canceled.reference]:
            return f"the order to {canceled.side} {canceled.quantity.normalize():f} {canceled.ticker}"
    return ""


def end_unsent(order: Order, status: OrderStatus, reason: str, now: datetime) -> bool:
    """End an order that never left, with everything that waits for it."""
    if not Order.objects.move(order, status, now=now, cause=reason, reason=reason[:400]):
        return False
    if order.parent_id is None and order.ticket.resizes:
        # What was not made smaller yet keeps its size: nothing leaves that it would have to make room for.
        wanted = [str(each["reference"]) for each in order.ticket.resizes]
        Order.objects.filter(reference__in=wanted).update(resize_to=None, resize_asked_at=None)
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
        if Order.objects.filter(reference__in=[each["reference"] for each in cancels], status__in=_NOT_ASKED).exists():
            return
    open_ticket.update(worked_at=now)
