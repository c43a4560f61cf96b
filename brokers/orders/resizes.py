"""Working orders that are to be smaller: a leg of a position that shrinks is changed in place, at the broker.

What was planned behind the change waits for it. Where IBKR refuses, that is planned anew, with the leg replaced instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from brokers.domain.brokerage import Leg, OrderFacts
from brokers.domain.orders import CHANGED_IN_PLACE, OrderStatus
from brokers.domain.sentences import grouped
from brokers.models import Order, OrderChanges, SubmissionAttempt, Ticket
from brokers.orders import changes
from brokers.orders.execution import Answer
from brokers.orders.tickets import end_plan
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, notify


def due() -> QuerySet[Order]:
    """Orders that are to be smaller and that IBKR has not answered about."""
    answered = _of_each().exclude(outcome__in=changes.AGAIN)
    working = Order.objects.filter(
        status__in=[str(status) for status in CHANGED_IN_PLACE], resize_to__isnull=False, connection__enabled=True
    )
    due = working.exclude(broker_order_id="").filter(~Exists(answered))
    return due.exclude(changes.modification_in_doubt())


def next_change(connection_pk: int, now: datetime) -> changes.Change | None:
    """The connection's next order to make smaller."""
    return changes.first_of(_of_connection(connection_pk), _of_each())


def doubtful(connection_pk: int, now: datetime) -> list[Order]:
    """The connection's orders to make smaller that are to be looked up first."""
    return changes.doubtful_of(_of_connection(connection_pk), _of_each())


def _of_connection(connection_pk: int) -> QuerySet[Order]:
    return due().filter(connection=connection_pk).order_by("resize_asked_at", "pk")


def _of_each() -> QuerySet[SubmissionAttempt]:
    """The changes that count for the order of the outer query."""
    rows = changes.attempts_for(changes.RESIZE)
    return rows.filter(order=OuterRef("pk"), sent_at__gte=OuterRef("resize_asked_at"))


def _attempts(order: Order) -> QuerySet[SubmissionAttempt]:
    assert order.resize_asked_at is not None, "the schema sets it with resize_to"
    return changes.attempts_for(changes.RESIZE).filter(order=order, sent_at__gte=order.resize_asked_at)


@transaction.atomic
def begin(order: Order, now: datetime) -> tuple[int, Leg]:
    """Write down that the change is about to leave; returns the attempt's key and the order as it shall be."""
    assert order.resize_to is not None, "only an order that is to be smaller is changed"
    leg = changes.current_leg(order, now)
    leg = replace(leg, intent=replace(leg.intent, quantity=order.resize_to))
    cause = f"a part of the position leaves; IBKR is asked to make it {grouped(order.resize_to)}"
    return changes.write_attempt(order, leg, changes.RESIZE, cause, now), leg


@transaction.atomic
def finish(order: Order, attempt_pk: int, answer: Answer, now: datetime) -> None:
    """Write down what IBKR made of the change that `attempt_pk` asked for."""
    assert order.resize_to is not None, "only an order that is to be smaller is changed"
    changes.conclude(order, attempt_pk, answer, now, effect=_effect(order.resize_to))


def is_early(order: Order, asked_at: datetime) -> bool:
    """Whether a list asked for at `asked_at` need not show yet what a change made."""
    return changes.is_early(order, _attempts(order), asked_at)


@transaction.atomic
def settle_lost(order: Order, facts: Sequence[OrderFacts], now: datetime, *, early: bool = False) -> bool:
    """Settle a change whose answer was lost by what the broker shows of the order. False when it shows nothing yet.

    `early`: the list may not show all that the change made, so that only a change that was made counts.
    """
    locked = changes.lock(order)
    if locked.resize_to is None:
        return True
    for fact in changes.facts_about(locked, facts):
        if fact.remaining_quantity is not None:
            applied = fact.remaining_quantity + (fact.filled_quantity or Decimal(0)) <= locked.resize_to
            if early and not applied:
                return False
            effect = _effect(locked.resize_to)
            changes.conclude_lost(locked, _attempts(locked), now, applied=applied, effect=effect)
            return True
    return False


def _effect(quantity: Decimal) -> changes.Effect:
    """`quantity` is the one that was asked for: the row may ask for another by the time of the answer."""
    return changes.Effect(apply=lambda order, now: _shrink(order, quantity, now), keep=_keep)


def _shrink(order: Order, quantity: Decimal, now: datetime) -> None:
    """It has that quantity now, at IBKR and here; a fill may have overtaken the answer."""
    values = OrderChanges(quantity=max(quantity, order.filled_quantity), resize_to=None, resize_asked_at=None)
    status = OrderStatus(order.status)
    if status in CHANGED_IN_PLACE:
        cause = f"IBKR has made it {grouped(quantity)} instead of {grouped(order.quantity)}"
        Order.objects.move(order, status, now=now, cause=cause, **values)
    elif status is not OrderStatus.FILLED:
        Order.objects.filter(pk=order.pk).update(**values)
    notify(ORDERS_CHANNEL, str(order.connection_id))
    notify(DECISIONS_CHANNEL, str(order.connection_id))


def _keep(order: Order, why: str, code: str, now: datetime) -> None:
    """Kept as it is, and not asked about again; what waits behind it is planned anew."""
    status = OrderStatus(order.status)
    reason = f"Kept at {grouped(order.quantity)}: IBKR did not make it smaller. {why}"[:400]
    values = OrderChanges(resize_to=None, resize_asked_at=None, keeps_its_size=True)
    if status in CHANGED_IN_PLACE:
        values["reason"], values["reason_code"] = reason, code
        Order.objects.move(order, status, now=now, cause=reason, **values)
    else:
        Order.objects.filter(pk=order.pk).update(**values)
    for ticket in Ticket.objects.filter(account=order.account_id, worked_at__isnull=True).exclude(resizes=[]):
        if any(resize["reference"] == order.reference for resize in ticket.resizes):
            end_plan(
                ticket, f"Not sent: an order that protects the position could not be made smaller. {why}"[:400], now
            )
