"""Our orders out: written down before they leave, and again when the broker has answered.

Each function here is one short transaction. The calls to the broker in between belong to `lanes`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts import audit
from accounts.models import User
from brokers import live
from brokers.domain.orders import (
    IN_FLIGHT,
    WORKING,
    OrderIntent,
    OrderStatus,
    OrderType,
    Release,
    Role,
    Side,
    TimeInForce,
    can_move,
)
from brokers.models import BrokerageAccount, ContractLookup, Order, OrderEvent, SubmissionAttempt, Ticket
from brokers.ports import (
    Accepted,
    Ack,
    AlreadyRegistered,
    Ambiguous,
    Leg,
    NotSent,
    PartlyAccepted,
    Question,
    Refused,
    SubmissionOutcome,
)
from brokers.snapshots import ORDERS_CHANNEL, keys, notify

REFERENCE_PREFIX = "hy"
OUTCOME_NAMES = {
    Accepted: "accepted",
    Question: "question",
    Refused: "rejected",
    PartlyAccepted: "partly_accepted",
    AlreadyRegistered: "already_registered",
    NotSent: "not_sent",
    Ambiguous: "ambiguous",
}


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
    estimated_fee: Decimal | None = None


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
        team_id=draft.account.team_id, ticket=ticket, account=draft.account, parent=parent, reference=new_reference(),
        role=intent.role, release=intent.release, ticker=intent.instrument.ticker,
        asset_class=intent.instrument.asset_class, conid=draft.conid, currency=draft.currency,
        multiplier=draft.multiplier, side=intent.side, type=intent.type, time_in_force=intent.time_in_force,
        quantity=intent.quantity, limit_price=intent.limit_price, stop_price=intent.stop_price,
        outside_rth=intent.outside_rth, fa_group=intent.allocation.group if intent.allocation else "",
        fa_method=intent.allocation.method if intent.allocation else "", signal_price=draft.signal_price,
        estimated_fee=draft.estimated_fee, expires_at=draft.expires_at, created_at=now, changed_at=now,
    )  # fmt: skip


# What a lane asks and writes ------------------------------------------------------------------------------------


def waiting_connections(shard: int, shards: int) -> list[int]:
    """Connections of the shard that have something to do: tickets, questions about contracts, orders in doubt, cancels."""
    tickets = Ticket.objects.filter(worked_at__isnull=True, connection__enabled=True).values_list("connection_id")
    lookups = ContractLookup.objects.filter(status="wanted", connection__enabled=True).values_list("connection_id")
    doubtful = Order.objects.filter(status__in=[str(OrderStatus.SUBMITTED), str(OrderStatus.UNKNOWN)]).values_list(
        "account__connection_id"
    )
    cancels = unsent_cancels().values_list("account__connection_id")
    every = tickets.distinct().union(lookups.distinct(), doubtful.distinct(), cancels.distinct())
    found = {pk for (pk,) in every}
    return sorted(pk for pk in found if pk % shards == shard)


def overdue_orders(now: datetime) -> QuerySet[Order]:
    """Orders that never left and may not leave any more."""
    return Order.objects.filter(status=str(OrderStatus.CREATED), expires_at__lte=now).filter(
        Q(parent__isnull=True) | ~Q(release=str(Release.WITH_PARENT))
    )


@transaction.atomic
def expire_overdue(now: datetime, connection_pk: int | None = None) -> int:
    """Too late is an answer: what has not left by its time is not sent any more."""
    overdue = overdue_orders(now).select_related("account__connection")
    if connection_pk is not None:
        overdue = overdue.filter(account__connection_id=connection_pk)
    count = 0
    for order in overdue.select_for_update(of=("self",), skip_locked=True):
        count += end_unsent(order, OrderStatus.EXPIRED, _why_late(order), now)
    return count


def _why_late(order: Order) -> str:
    connection = order.account.connection
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one write to the broker is about: the orders of one submission, as legs, with their attempt."""

    account_id: str
    orders: tuple[Order, ...]
    legs: tuple[Leg, ...]
    attempt_pk: int


def take_next(connection_pk: int, now: datetime) -> Job | None:
    """The next submission of the connection, written down and ready to leave; None when nothing may leave now."""
    while order := next_ready(connection_pk, now):
        if job := begin(order, now):
            return job
    return None


def next_ready(connection_pk: int, now: datetime) -> Order | None:
    """The next order of the connection that may leave: exits before entries, then in the order they were received."""
    ready = (
        Order.objects.filter(
            ticket__connection_id=connection_pk, ticket__worked_at__isnull=True, status=str(OrderStatus.CREATED)
        )
        .filter(
            Q(release=str(Release.AT_ONCE))
            | Q(release=str(Release.AFTER_PARENT_FILLS), parent__status=str(OrderStatus.FILLED))
        )
        .filter(expires_at__gt=now)
        .select_related("account", "ticket")
    )
    exits = ready.filter(role=str(Role.EXIT)).order_by("ticket_id", "id").first()
    return exits or ready.order_by("ticket_id", "id").first()


@transaction.atomic
def begin(order: Order, now: datetime) -> Job | None:
    """Write down that the order (with the legs that travel with it) is about to leave; None when it may not any more.

    From this commit on, nobody sends these references again without proof that the broker does not have them.
    """
    if order.expires_at <= now:
        end_unsent(order, OrderStatus.EXPIRED, _why_late(order), now)
        return None
    travelling = [order, *order.children.filter(release=str(Release.WITH_PARENT), status=str(OrderStatus.CREATED))]
    for each in travelling:
        if not Order.objects.move(each, OrderStatus.SUBMITTED, now=now, cause="sent to IBKR", submitted_at=now):
            return None
    contract = _contract_of(order)
    legs = tuple(_leg(each, order, contract) for each in travelling)
    request = [_described(leg) for leg in legs]
    attempt = SubmissionAttempt.objects.create(
        order=order, kind=SubmissionAttempt.Kind.POST, request=request, request_hash=_hash(request), sent_at=now
    )
    return Job(account_id=order.account.account_id, orders=tuple(travelling), legs=legs, attempt_pk=attempt.pk)


def _contract_of(order: Order) -> Any:
    lookup = ContractLookup.objects.get(
        connection_id=order.account.connection_id, asset_class=order.asset_class, ticker=order.ticker
    )
    return lookup.value()


def _leg(order: Order, head: Order, contract: Any) -> Leg:
    intent = OrderIntent(
        role=Role(order.role), instrument=order.instrument, side=Side(order.side), type=OrderType(order.type),
        quantity=order.quantity, limit_price=order.limit_price, stop_price=order.stop_price,
        time_in_force=TimeInForce(order.time_in_force), outside_rth=order.outside_rth, release=Release(order.release),
    )  # fmt: skip
    parent = head.reference if order is not head else None
    return Leg(intent=intent, reference=order.reference, contract=contract, parent_reference=parent)


def _described(leg: Leg) -> dict[str, Any]:
    intent = leg.intent
    return {
        "reference": leg.reference,
        "conid": leg.contract.conid,
        "side": str(intent.side),
        "type": str(intent.type),
        "quantity": str(intent.quantity),
        "limit_price": None if intent.limit_price is None else str(intent.limit_price),
        "stop_price": None if intent.stop_price is None else str(intent.stop_price),
        "time_in_force": str(intent.time_in_force),
    }


def _hash(request: Any) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


@transaction.atomic
def begin_reply(order: Order, question: Question, confirmed: bool, now: datetime) -> int:
    """Write down how we answer IBKR's question, before the answer leaves; returns the attempt's key."""
    request = {"question": question.text[:1000], "messages": list(question.message_ids), "confirmed": confirmed}
    attempt = SubmissionAttempt.objects.create(
        order=order, kind=SubmissionAttempt.Kind.REPLY, request=request, request_hash=_hash(request), sent_at=now
    )
    return attempt.pk


def note_answer(attempt_pk: int, outcome: SubmissionOutcome, now: datetime) -> None:
    """Complete an attempt with what came back."""
    SubmissionAttempt.objects.filter(pk=attempt_pk, outcome="").update(
        outcome=OUTCOME_NAMES[type(outcome)], answered_at=now, answer=_redacted(getattr(outcome, "raw", None))
    )


def _redacted(raw: Any) -> Any:
    """The broker's answer as JSON, bounded; it holds order facts, never credentials."""
    try:
        text = json.dumps(raw, default=str)
    except (TypeError, ValueError):
        text = json.dumps(str(raw))
    return json.loads(text) if len(text) <= 4000 else {"cut": text[:4000]}


@transaction.atomic
def finish(job: Job, attempt_pk: int, outcome: SubmissionOutcome, now: datetime, *, declined: bool = False) -> None:
    """Write down what became of a submission. Facts that overtook the answer (a fill on the stream) win."""
    note_answer(attempt_pk, outcome, now)
    fresh = {order.pk: order for order in Order.objects.select_for_update().filter(pk__in=[o.pk for o in job.orders])}
    orders = [fresh[order.pk] for order in job.orders]
    match outcome:
        case Accepted(acks=acks):
            _acknowledge(orders, acks, now)
        case PartlyAccepted(acks=acks, failures=failures):
            _acknowledge(orders, [*acks, *failures], now)
        case Refused(reason=reason):
            said = f"Not confirmed: {reason}" if declined else reason
            _end_all(orders, OrderStatus.REJECTED, said, now)
        case NotSent(reason=reason):
            for order in orders:
                _move(order, OrderStatus.CREATED, now, cause=reason, submitted_at=None)
        case AlreadyRegistered():
            reason = "IBKR has this order from an earlier request; looking for it."
            for order in orders:
                _move(order, OrderStatus.UNKNOWN, now, cause=reason, reason=reason)
        case Ambiguous(reason=reason):
            for order in orders:
                _move(order, OrderStatus.UNKNOWN, now, cause=reason, reason=f"{reason} It was not sent again.")
        case Question(text=text):
            _end_all(orders, OrderStatus.REJECTED, f"IBKR kept asking: {text}", now)
    finish_ticket_if_done(job.orders[0].ticket_id, now)
    for order in orders:
        live.order_changed(order)


def _acknowledge(orders: Sequence[Order], acks: Iterable[Ack], now: datetime) -> None:
    """Match acknowledgements by reference, never by position; a leg without one is in doubt."""
    by_reference = {ack.reference: ack for ack in acks}
    if len(orders) == 1 and len(by_reference) == 1:
        by_reference = {orders[0].reference: next(iter(by_reference.values()))}
    for order in orders:
        ack = by_reference.get(order.reference)
        if ack is None:
            _move(order, OrderStatus.UNKNOWN, now, cause="IBKR's answer does not name this order; looking for it.")
        elif ack.status is OrderStatus.REJECTED:
            _move(order, OrderStatus.REJECTED, now, cause=ack.text, reason=ack.text[:400] or "IBKR rejected the order.")
        else:
            changes = {"broker_order_id": ack.broker_order_id, "acknowledged_at": now}
            if not _move(order, OrderStatus.ACCEPTED, now, cause="acknowledged by IBKR", **changes):
                # The stream was faster; keep what only the acknowledgement brings.
                Order.objects.filter(pk=order.pk, acknowledged_at__isnull=True).update(**changes)


def _move(order: Order, to: OrderStatus, now: datetime, *, cause: str, **changes: Any) -> bool:
    return can_move(OrderStatus(order.status), to) and Order.objects.move(order, to, now=now, cause=cause, **changes)


def _end_all(orders: Sequence[Order], status: OrderStatus, reason: str, now: datetime) -> None:
    for order in orders:
        _move(order, status, now, cause=reason, reason=reason[:400])


def finish_ticket_if_done(ticket_pk: int, now: datetime) -> None:
    """A ticket is worked when none of its orders waits to leave any more."""
    waiting = Order.objects.filter(ticket_id=ticket_pk, status=str(OrderStatus.CREATED))
    Ticket.objects.filter(pk=ticket_pk, worked_at__isnull=True).exclude(pk__in=waiting.values("ticket_id")).update(
        worked_at=now
    )


# Cancels --------------------------------------------------------------------------------------------------------


@transaction.atomic
def request_cancel(*, order: Order, actor: User | None, now: datetime) -> bool:
    """Cancel an order: at once when it never left, otherwise by asking the broker. False when it is over already."""
    locked = Order.objects.select_for_update().select_related("ticket").get(pk=order.pk)
    status = OrderStatus(locked.status)
    if status is OrderStatus.CREATED:
        done = end_unsent(locked, OrderStatus.CANCELED, "Canceled before it was sent.", now)
    elif can_move(status, OrderStatus.PENDING_CANCEL) and locked.broker_order_id:
        done = Order.objects.move(locked, OrderStatus.PENDING_CANCEL, now=now, cause="cancel requested")
        notify(ORDERS_CHANNEL, str(locked.ticket.connection_id))
    else:
        done = False
    if done:
        team = locked.team
        audit.record(team=team, actor=actor, action="order.cancel_requested", subject=locked.reference, now=now)
        live.order_changed(locked)
    order.status = locked.status
    return done


def unsent_cancels() -> QuerySet[Order]:
    """Orders to be canceled whose request has not left yet, or whose answer was lost (asking twice harms nothing)."""
    asked = SubmissionAttempt.objects.filter(
        order=OuterRef("pk"), kind=SubmissionAttempt.Kind.CANCEL, sent_at__gte=OuterRef("changed_at")
    ).exclude(outcome="ambiguous")
    pending = Order.objects.filter(status=str(OrderStatus.PENDING_CANCEL), account__connection__enabled=True)
    return pending.exclude(Exists(asked))


def next_cancel(connection_pk: int) -> Order | None:
    """The connection's next cancel to send."""
    waiting = unsent_cancels().filter(account__connection_id=connection_pk)
    return waiting.select_related("account").order_by("changed_at").first()


@transaction.atomic
def begin_cancel(order: Order, now: datetime) -> int:
    """Write down that a cancel is about to leave."""
    request = {"broker_order_id": order.broker_order_id}
    attempt = SubmissionAttempt.objects.create(
        order=order, kind=SubmissionAttempt.Kind.CANCEL, request=request, request_hash=_hash(request), sent_at=now
    )
    return attempt.pk


@transaction.atomic
def finish_cancel(order: Order, attempt_pk: int, outcome: str, reason: str, now: datetime) -> None:
    """IBKR answers a cancel with "requested"; only the order's status tells what became of it."""
    SubmissionAttempt.objects.filter(pk=attempt_pk, outcome="").update(outcome=outcome, answered_at=now, answer=reason)
    if outcome == "rejected":
        fresh = Order.objects.select_for_update().get(pk=order.pk)
        partly = 0 < fresh.filled_quantity < fresh.quantity
        back = OrderStatus.PARTIALLY_FILLED if partly else OrderStatus.ACCEPTED
        if _move(fresh, back, now, cause=reason, reason=f"Not canceled: {reason}"[:400]):
            finish_ticket_if_done(fresh.ticket_id, now)
            live.order_changed(fresh)


# Orders in doubt ------------------------------------------------------------------------------------------------


@transaction.atomic
def doubt_abandoned(connection_pk: int, now: datetime) -> int:
    """Orders that a dead worker left between "sent" and "heard" become unknown. Call it only under the connection's lock."""
    left = Order.objects.select_for_update().filter(
        account__connection_id=connection_pk, status=str(OrderStatus.SUBMITTED)
    )
    reason = "Halyard was interrupted while IBKR's answer was on its way; looking for the order. It was not sent again."
    count = 0
    for order in left:
        count += Order.objects.move(order, OrderStatus.UNKNOWN, now=now, cause=reason, reason=reason)
        live.order_changed(order)
    return count


def unknown_orders(connection_pk: int) -> list[Order]:
    """Orders whose answer was lost, oldest first."""
    return list(
        Order.objects.filter(account__connection_id=connection_pk, status=str(OrderStatus.UNKNOWN))
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
    Order.objects.filter(pk=fresh.pk).update(absences=F("absences") + 1, checked_at=now)
    missing_for = (now - fresh.changed_at).total_seconds()
    if fresh.absences + 1 < proof.reads or missing_for < proof.seconds:
        return
    tries = fresh.attempts.filter(kind=SubmissionAttempt.Kind.POST).count()
    if proof.resend and fresh.expires_at > now and tries < 2:
        _send_again(fresh, now)
        return
    reason = "Not placed: IBKR shows no such order. Send the signal again if it is still wanted."
    if Order.objects.move(fresh, OrderStatus.EXPIRED, now=now, cause=reason, reason=reason):
        finish_ticket_if_done(fresh.ticket_id, now)
        live.order_changed(fresh)


def _send_again(order: Order, now: datetime) -> None:
    """Proven absent and still fresh: the same reference may leave once more; IBKR refuses it if it has it after all."""
    cause = "IBKR has never had this order; sending it again under the same reference."
    # Two moves, since "proven absent" and "back in the queue" are two facts.
    Order.objects.move(order, OrderStatus.SUBMITTED, now=now, cause=cause)
    Order.objects.move(order, OrderStatus.CREATED, now=now, cause=cause, submitted_at=None, absences=0, reason="")
    Ticket.objects.filter(pk=order.ticket_id).update(worked_at=None)
    notify(ORDERS_CHANNEL)


def in_flight(connection_pk: int) -> bool:
    """True while the connection has orders at the broker that may still change."""
    states = [str(status) for status in IN_FLIGHT | WORKING]
    return Order.objects.filter(account__connection_id=connection_pk, status__in=states).exists()
