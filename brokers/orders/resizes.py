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

from brokers import live
from brokers.domain.brokerage import Leg, OrderFacts, SubmissionOutcome
from brokers.domain.orders import CHANGED_IN_PLACE, OrderStatus
from brokers.models import Order, SubmissionAttempt, Ticket
from brokers.orders.conversions import (
    AGAIN,
    IN_DOUBT,
    MODIFY,
    MOST_ATTEMPTS,
    NOT_APPLIED,
    Change,
    as_it_stands,
    conclude,
    written_down,
)
from brokers.orders.tickets import end_plan
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, notify


def due() -> QuerySet[Order]:
    """Orders that are to be smaller and that IBKR has not answered about."""
    answered = SubmissionAttempt.objects.filter(
        order=OuterRef("pk"), kind=MODIFY, sent_at__gte=OuterRef("resize_asked_at")
    ).exclude(outcome__in=AGAIN)
    wanted = Order.objects.filter(
        status__in=[str(status) for status in CHANGED_IN_PLACE], resize_to__isnull=False, connection__enabled=True
    )
    found: QuerySet[Order] = wanted.exclude(broker_order_id="").filter(~Exists(answered))
    return found


def next_of(connection_pk: int, now: datetime) -> Change | None:
    """The connection's next order to make smaller."""
    order = due().filter(connection=connection_pk).select_related("account").order_by("resize_asked_at", "pk").first()
    if order is None:
        return None
    return Change(order=order, doubtful=_attempts(order).filter(outcome__in=IN_DOUBT).exists())


def _attempts(order: Order) -> QuerySet[SubmissionAttempt]:
    return SubmissionAttempt.objects.filter(order=order, kind=MODIFY, sent_at__gte=order.resize_asked_at)


@transaction.atomic
def begin(order: Order, now: datetime) -> tuple[int, Leg]:
    """Write down that the change is about to leave; returns the attempt's key and the order as it shall be."""
    leg = as_it_stands(order)
    leg = replace(leg, intent=replace(leg.intent, quantity=order.resize_to))
    cause = f"a part of the position leaves; IBKR is asked to make it {order.resize_to.normalize():f}"
    return written_down(order, leg, cause, now), leg


@transaction.atomic
def finish(order: Order, attempt_pk: int, outcome: SubmissionOutcome, now: datetime, *, last: int) -> None:
    """Write down what IBKR made of the change, `last` being the attempt that its last answer is about."""
    wanted = order.resize_to
    assert wanted is not None, "it was asked for"
    conclude(
        order,
        attempt_pk,
        outcome,
        now,
        last=last,
        kept=_stays,
        changed=lambda fresh, at: _is_smaller(fresh, wanted, at),
    )


def _is_smaller(order: Order, quantity: Decimal, now: datetime) -> None:
    """It has that quantity now, at IBKR and here; a fill may have overtaken the answer."""
    values = {"quantity": max(quantity, order.filled_quantity), "resize_to": None, "resize_asked_at": None}
    status = OrderStatus(order.status)
    if status in CHANGED_IN_PLACE:
        cause = f"IBKR has made it {quantity.normalize():f} instead of {order.quantity.normalize():f}"
        Order.objects.move(order, status, now=now, cause=cause, **values)
    elif status is not OrderStatus.FILLED:
        Order.objects.filter(pk=order.pk).update(**values)
    notify(ORDERS_CHANNEL, str(order.connection_id))
    notify(DECISIONS_CHANNEL)


def _stays(order: Order, why: str, now: datetime) -> None:
    """Kept as it is, and not asked about again; what waits behind it is planned anew."""
    status = OrderStatus(order.status)
    reason = f"Kept at {order.quantity.normalize():f}: IBKR did not make it smaller. {why}"[:400]
    values = {"resize_to": None, "resize_asked_at": None, "keeps_its_size": True}
    if status in CHANGED_IN_PLACE:
        Order.objects.move(order, status, now=now, cause=reason, reason=reason, **values)
    else:
        Order.objects.filter(pk=order.pk).update(**values)
    for ticket in Ticket.objects.filter(account=order.account_id, worked_at__isnull=True).exclude(resizes=[]):
        if any(each["reference"] == order.reference for each in ticket.resizes):
            end_plan(
                ticket, f"Not sent: an order that protects the position could not be made smaller. {why}"[:400], now
            )


@transaction.atomic
def looked_up(order: Order, shown: Sequence[OrderFacts], now: datetime) -> bool:
    """Settle a change whose answer was lost by what the broker shows of the order. False when it shows nothing yet."""
    fresh = Order.objects.select_for_update().get(pk=order.pk)
    ours = (
        fact for fact in shown if fact.reference == fresh.reference or fact.broker_order_id == fresh.broker_order_id
    )
    fact = next((each for each in ours if each.remaining_quantity is not None), None)
    if fact is None or fact.remaining_quantity is None or fresh.resize_to is None:
        return fresh.resize_to is None
    applied = fact.remaining_quantity + (fact.filled_quantity or Decimal(0)) <= fresh.resize_to
    _attempts(fresh).filter(outcome__in=IN_DOUBT).update(
        outcome="accepted" if applied else NOT_APPLIED, answered_at=now
    )
    if applied:
        _is_smaller(fresh, fresh.resize_to, now)
    elif _attempts(fresh).filter(outcome=NOT_APPLIED).count() >= MOST_ATTEMPTS:
        _stays(fresh, f"It was asked {MOST_ATTEMPTS} times, and its answers were lost.", now)
    live.order_changed(fresh)
    return True
