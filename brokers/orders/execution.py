"""Our orders out: written down before they leave, and again when the broker has answered.

Each function here is one short transaction. The calls to the broker in between belong to `processes.writes`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Unpack

from django.db import connection, transaction

from brokers import live
from brokers.connections import nights
from brokers.domain.brokerage import (
    Accepted,
    Ack,
    AlreadyRegistered,
    Ambiguous,
    Leg,
    NotSent,
    PartlyAccepted,
    Prompt,
    Question,
    Refused,
    SubmissionOutcome,
)
from brokers.domain.orders import (
    Allocation,
    Contract,
    OrderIntent,
    OrderStatus,
    OrderType,
    Release,
    Role,
    Side,
    TimeInForce,
    can_move,
)
from brokers.models import Order, OrderChanges, SubmissionAttempt
from brokers.orders.statements import ACKNOWLEDGE, ROUNDS, TAKE_NEXT, TAKE_NEXT_UNLESS
from brokers.orders.unsent import expire_in_line, finish_ticket_if_done
from brokers.orders.waits.wished_cancels import back_in_the_queue
from brokers.postgres.notices import DECISIONS_CHANNEL, notify
from brokers.postgres.objects import objects_of

OUTCOME_NAMES = {
    Accepted: "accepted",
    Question: "question",
    Prompt: "prompt",
    Refused: "rejected",
    PartlyAccepted: "partly_accepted",
    AlreadyRegistered: "already_registered",
    NotSent: "not_sent",
    Ambiguous: "ambiguous",
}
# Of an order that had its turn at IBKR's limit of requests only after its time, and was not sent.
TURN_TOO_LATE = "turn-too-late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One submission to the broker: its orders, as legs, with their attempt."""

    account_id: str
    orders: tuple[Order, ...]
    legs: tuple[Leg, ...]
    attempt_pk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The broker's last word on a write, the attempt it completes, and whether we declined a question about it."""

    outcome: SubmissionOutcome
    attempt_pk: int
    declined: bool = False


class Before(NamedTuple):
    """What of a connection is found at all that may come before its next order."""

    cancels: bool
    changes: bool
    foreign_cancels: bool
    prompts: bool


def take_next(connection_pk: int, now: datetime) -> Job | None:
    """The next submission of the connection, written down and ready to leave; None when nothing may leave now.

    Exits first, then contract by contract in turn, in each in the order received; legs travel with their parent.
    From this commit on, nobody sends these references again without proof that the broker does not have them.
    """
    orders = _taken(TAKE_NEXT, connection_pk, now)
    return job_of(orders) if orders else None


def take_next_unless(connection_pk: int, now: datetime) -> tuple[Before | None, Job | None]:
    """What comes before the connection's next order, and where that is nothing, the order as `take_next` takes it.

    None and None while the session is in doubt.
    """
    orders = _taken(TAKE_NEXT_UNLESS, connection_pk, now)
    if not orders:
        return None, None
    head = orders[0]
    before = Before(head.has_cancels, head.has_changes, head.has_foreign_cancels, head.has_prompts)
    return before, job_of(orders) if head.pk is not None else None


def _taken(statement: str, connection_pk: int, now: datetime) -> list[Any]:
    closed, shut = nights.closed_regions(now)
    rounds = ROUNDS[connection_pk]
    values: dict[str, Any] = {"connection": connection_pk, "now": now, "left": rounds.left()}
    values |= {"closed": closed, "shut": shut}
    orders: list[Any] = objects_of(Order, statement, values)
    if orders and orders[0].pk is not None:
        rounds.leave(orders[0].account_id, orders[0].conid)
    return orders


def job_of(orders: Sequence[Any]) -> Job:
    """The submission of orders that were moved as `TAKE_NEXT` moves them, which wrote down its attempt."""
    head = orders[0]
    return Job(account_id=head.account_number, orders=tuple(orders), legs=legs_of(orders), attempt_pk=head.attempt_pk)


def legs_of(orders: Sequence[Any]) -> tuple[Leg, ...]:
    """What leaves together, as it is sent: the rows of `TAKE_NEXT`, of which the first is the one that the others travel with."""
    head = orders[0]
    contract = Contract(
        instrument=head.instrument,
        conid=head.conid,
        exchange=head.contract_exchange,
        currency=head.currency,
        multiplier=head.multiplier,
        tick=head.contract_tick,
        name=head.contract_name,
    )
    in_group = any(order.release == Release.IN_GROUP for order in orders[1:])
    return tuple(leg_of(order, contract, head, in_group=in_group) for order in orders)


def leg_of(order: Order, contract: Contract, head: Order | None = None, *, in_group: bool = False) -> Leg:
    """An order as it is sent; `head` is the one it travels with."""
    intent = OrderIntent(
        role=Role(order.role),
        instrument=order.instrument,
        side=Side(order.side),
        type=OrderType(order.type),
        quantity=order.quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_amount=order.trail_amount,
        trail_percent=order.trail_percent,
        time_in_force=TimeInForce(order.time_in_force),
        good_till=order.good_till,
        outside_rth=order.outside_rth,
        release=Release(order.release),
        allocation=Allocation(group=order.fa_group, method=order.fa_method) if order.fa_group else None,
    )
    parent = head.reference if head is not None and intent.release is Release.WITH_PARENT else None
    return Leg(intent=intent, reference=order.reference, contract=contract, parent_reference=parent, in_group=in_group)


def described(leg: Leg) -> dict[str, Any]:
    """A leg as it is kept beside its attempt; of an order's first request `TAKE_NEXT` says the same."""
    intent = leg.intent
    return {
        "reference": leg.reference,
        "conid": leg.contract.conid,
        "side": str(intent.side),
        "type": str(intent.type),
        "quantity": str(intent.quantity),
        "limit_price": None if intent.limit_price is None else str(intent.limit_price),
        "stop_price": None if intent.stop_price is None else str(intent.stop_price),
        "trail": _trail(intent),
        "time_in_force": str(intent.time_in_force),
    }


def _trail(intent: OrderIntent) -> str | None:
    if intent.trail_percent is not None:
        return f"{intent.trail_percent}%"
    return None if intent.trail_amount is None else str(intent.trail_amount)


def hashed(request: object) -> str:
    """The hash of a request, the same for the same request."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


@transaction.atomic
def begin_reply(
    order: Order, question: Question | Prompt, confirmed: bool, now: datetime, *, option: str | None = None
) -> int:
    """Write down how we answer IBKR's question, before the answer leaves; returns the attempt's key.

    `option`: what is said to a prompt, word for word.
    """
    messages = [question.message_id] if isinstance(question, Prompt) else list(question.message_ids)
    request: dict[str, Any] = {"question": question.text[:1000], "messages": messages, "confirmed": confirmed}
    if option is not None:
        request["option"] = option
    attempt = SubmissionAttempt.objects.create(
        order=order, kind=SubmissionAttempt.Kind.REPLY, request=request, request_hash=hashed(request), sent_at=now
    )
    return attempt.pk


def note_answer(attempt_pk: int, outcome: SubmissionOutcome, now: datetime) -> None:
    """Complete an attempt with what came back."""
    SubmissionAttempt.objects.filter(pk=attempt_pk, outcome="").update(
        outcome=OUTCOME_NAMES[type(outcome)], answered_at=now, answer=_redacted(getattr(outcome, "raw", None))
    )


def _redacted(raw: object) -> Any:
    """The broker's answer as JSON, bounded; it holds order facts, never credentials."""
    try:
        text = json.dumps(raw, default=str)
    except (TypeError, ValueError):
        text = json.dumps(str(raw))
    return json.loads(text) if len(text) <= 4000 else {"cut": text[:4000]}


def finish(job: Job, answer: Answer, now: datetime) -> bool:
    """Write down what became of a submission. Facts that overtook the answer (a fill on the stream) win.

    False where nothing of the connection waits to leave.
    """
    if (usual := usual_values(job, answer, now)) is not None:
        more = _acknowledged(usual)
        if more is not None:
            live.order_changed(job.orders[0])
            return more
    _finish(job, answer, now)
    return True


@transaction.atomic
def _finish(job: Job, answer: Answer, now: datetime) -> None:
    """Write down an answer of any kind."""
    outcome = answer.outcome
    note_answer(answer.attempt_pk, outcome, now)
    keys = [order.pk for order in job.orders]
    fresh = {each.pk: each for each in Order.objects.select_for_update().filter(pk__in=keys).order_by("pk")}
    orders = [fresh[order.pk] for order in job.orders]
    match outcome:
        case Accepted(acks=acks):
            _acknowledge(orders, acks, now)
        case PartlyAccepted(acks=acks, failures=failures):
            _acknowledge(orders, [*acks, *failures], now)
        case Refused(reason=reason, code=code):
            sentence = f"Not confirmed: {reason}" if answer.declined else reason
            _end_all(orders, OrderStatus.REJECTED, sentence, now, code)
        case NotSent(reason=reason, code=code):
            waiting = [o for o in orders if _move(o, OrderStatus.CREATED, now, cause=reason, submitted_at=None)]
            for order in waiting:
                back_in_the_queue(order, now)
            if code == TURN_TOO_LATE:
                expire_in_line(orders[0], reason, code, now)
        case AlreadyRegistered():
            reason = "IBKR has this order from an earlier request. Halyard looks for it; do not place it by hand."
            for order in orders:
                _doubt(order, now, cause=reason, reason=reason, reason_code="already-registered")
        case Ambiguous(reason=reason, code=code):
            sentence = f"{reason} It was not sent again."
            for order in orders:
                _doubt(order, now, cause=reason, reason=sentence[:400], reason_code=code)
        case Question(text=text):
            sentence = (
                f"Not confirmed: IBKR asked more than Halyard answers. Place it in TWS if it is wanted. IBKR: {text}"
            )
            _end_all(orders, OrderStatus.REJECTED, sentence, now, "asked-too-often")
    finish_ticket_if_done(job.orders[0].ticket_id, now)
    for order in orders:
        live.order_changed(order)


def usual_values(job: Job, answer: Answer, now: datetime) -> dict[str, Any] | None:
    """What `ACKNOWLEDGE` writes down of the usual answer: one order, taken. None where it is not so usual."""
    outcome = answer.outcome
    if not isinstance(outcome, Accepted) or not len(job.orders) == len(outcome.acks) == 1:
        return None
    (order,), (ack,) = job.orders, outcome.acks
    if ack.status is OrderStatus.REJECTED or ack.held:
        return None
    return {
        "order": order.pk,
        "connection": order.connection_id,
        "ticket": order.ticket_id,
        "attempt": answer.attempt_pk,
        "now": now,
        "broker_order_id": ack.broker_order_id,
        "answer": json.dumps(_redacted(outcome.raw)),
    }


def _acknowledged(values: dict[str, Any]) -> bool | None:
    """The usual answer in one statement, which is its own transaction.

    Whether the connection has more that may have to leave; None, and nothing written, where it is not so usual.
    """
    with connection.cursor() as cursor:
        cursor.execute(ACKNOWLEDGE, values)
        row = cursor.fetchone()
    return None if row is None else bool(row[0])


def _acknowledge(orders: Sequence[Order], acks: Iterable[Ack], now: datetime) -> None:
    """Match acknowledgements by reference, never by position; a leg without one is in doubt."""
    by_reference = {ack.reference: ack for ack in acks}
    if len(orders) == 1 and len(by_reference) == 1:
        by_reference = {orders[0].reference: next(iter(by_reference.values()))}
    for order in orders:
        ack = by_reference.get(order.reference)
        if ack is None:
            _doubt(order, now, cause="IBKR's answer does not name this order; looking for it.")
        elif ack.status is OrderStatus.REJECTED:
            _end_all([order], OrderStatus.REJECTED, ack.text, now, ack.code)
        else:
            changes = OrderChanges(broker_order_id=ack.broker_order_id, acknowledged_at=now)
            cause = "acknowledged by IBKR"
            if ack.held:
                changes["held_reason"], cause = ack.held[:200], f"held by IBKR: {ack.held}"
            if not _move(order, OrderStatus.ACCEPTED, now, cause=cause, **changes):
                # The stream was faster; keep what only the acknowledgement brings.
                Order.objects.filter(pk=order.pk, acknowledged_at__isnull=True).update(**changes)


def _move(order: Order, to: OrderStatus, now: datetime, *, cause: str, **changes: Unpack[OrderChanges]) -> bool:
    return can_move(OrderStatus(order.status), to) and Order.objects.move(order, to, now=now, cause=cause, **changes)


def _doubt(order: Order, now: datetime, *, cause: str, **changes: Unpack[OrderChanges]) -> None:
    """Nobody knows whether IBKR has this order, unless the stream or a list has named it while the answer was awaited."""
    if order.status == OrderStatus.SUBMITTED:
        _move(order, OrderStatus.UNKNOWN, now, cause=cause, **changes)


def _end_all(orders: Sequence[Order], status: OrderStatus, reason: str, now: datetime, code: str) -> None:
    for order in orders:
        if _move(order, status, now, cause=reason, reason=reason[:400], reason_code=code):
            notify(DECISIONS_CHANNEL, str(order.connection_id))
