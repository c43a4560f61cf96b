"""Limit orders that become market orders: what did not fill within its time is changed in place, at the broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef, QuerySet

from brokers import live
from brokers.domain.brokerage import Leg, OrderFacts
from brokers.domain.orders import CHANGED_IN_PLACE, OrderStatus, OrderType
from brokers.models import Order, OrderChanges, SubmissionAttempt
from brokers.models.seconds import is_doubled
from brokers.orders import changes
from brokers.orders.execution import Answer


def due(now: datetime) -> QuerySet[Order]:
    """Orders that worked as long as they were given, and that IBKR has not refused to change."""
    until = ExpressionWrapper(
        F("acknowledged_at") + F("convert_after") * timedelta(seconds=1), output_field=DateTimeField()
    )
    asked = _of_each()
    answered = asked.exclude(outcome__in=changes.AGAIN)
    working = (
        Order.objects.filter(status__in=[str(status) for status in CHANGED_IN_PLACE], convert_after__isnull=False)
        .exclude(type=str(OrderType.MARKET))
        .exclude(broker_order_id="")
    )
    due = working.alias(until=until).filter(~Exists(answered), until__lte=now, connection__enabled=True)
    # While there may be two of it, a market order of one would fill beside the other.
    due = due.exclude(is_doubled() & ~Exists(asked.filter(outcome__in=changes.AGAIN)))
    return due.exclude(changes.modification_in_doubt())


def next_change(connection_pk: int, now: datetime) -> changes.Change | None:
    """The connection's next order to change."""
    return changes.first_of(_of_connection(connection_pk, now), _of_each())


def doubtful(connection_pk: int, now: datetime) -> list[Order]:
    """The connection's orders to change that are to be looked up first."""
    return changes.doubtful_of(_of_connection(connection_pk, now), _of_each())


def _of_connection(connection_pk: int, now: datetime) -> QuerySet[Order]:
    return due(now).filter(connection=connection_pk).order_by("acknowledged_at", "pk")


def _of_each() -> QuerySet[SubmissionAttempt]:
    """The changes that count for the order of the outer query."""
    return changes.attempts_for(changes.CONVERSION).filter(order=OuterRef("pk"))


def _attempts(order: Order) -> QuerySet[SubmissionAttempt]:
    return changes.attempts_for(changes.CONVERSION).filter(order=order)


@transaction.atomic
def begin(order: Order, now: datetime) -> tuple[int, Leg]:
    """Write down that the change is about to leave, and why; returns the attempt's key and the order as it shall be."""
    leg = _as_market(order, now)
    cause = f"not filled within {order.convert_after} seconds{_at_its_limit(order)}; IBKR is asked to make it a market order"
    attempt_pk = changes.write_attempt(order, leg, changes.CONVERSION, cause, now)
    live.order_changed(order)
    return attempt_pk, leg


def _at_its_limit(order: Order) -> str:
    return "" if order.limit_price is None else f" at {order.limit_price.normalize():f}"


def _as_market(order: Order, now: datetime) -> Leg:
    """The order with its new type. A market order knows no extended hours."""
    leg = changes.current_leg(order, now)
    intent = replace(
        leg.intent,
        type=OrderType.MARKET,
        limit_price=None,
        stop_price=None,
        trail_amount=None,
        trail_percent=None,
        outside_rth=False,
    )
    return replace(leg, intent=intent)


@transaction.atomic
def finish(order: Order, attempt_pk: int, answer: Answer, now: datetime) -> None:
    """Write down what IBKR made of the change that `attempt_pk` asked for."""
    changes.conclude(order, attempt_pk, answer, now, effect=EFFECT)


def is_early(order: Order, asked_at: datetime) -> bool:
    """Whether a list asked for at `asked_at` need not show yet what a change made."""
    return changes.is_early(order, _attempts(order), asked_at)


@transaction.atomic
def settle_lost(order: Order, facts: Sequence[OrderFacts], now: datetime, *, early: bool = False) -> bool:
    """Settle a change whose answer was lost by what the broker shows of the order. False when it shows nothing yet.

    `early`: the list may not show all that the change made, so that only a change that was made counts.
    """
    locked = changes.lock(order)
    kind = next((fact.type for fact in changes.facts_about(locked, facts) if fact.type is not None), None)
    applied = kind is OrderType.MARKET
    if kind is None or (early and not applied):
        return False
    changes.conclude_lost(locked, _attempts(locked), now, applied=applied, effect=EFFECT)
    return True


def _make_market(order: Order, now: datetime) -> None:
    """It is a market order now, at IBKR and here; a fill may have overtaken the answer."""
    reason = f"Changed to a market order: it was not filled within {order.convert_after} seconds{_at_its_limit(order)}."
    values = OrderChanges(
        type=str(OrderType.MARKET),
        limit_price=None,
        stop_price=None,
        trail_amount=None,
        trail_percent=None,
        outside_rth=False,
        reason=reason,
    )
    status = OrderStatus(order.status)
    if status in CHANGED_IN_PLACE:
        Order.objects.move(order, status, now=now, cause="IBKR has made it a market order", **values)
    else:
        Order.objects.filter(pk=order.pk).update(**values)


def _keep(order: Order, why: str, code: str, now: datetime) -> None:
    """Kept as it is, and said so; an order that has ended meanwhile needs no word about it."""
    status = OrderStatus(order.status)
    if status not in CHANGED_IN_PLACE:
        return
    kind = order.type.replace("_", " ")
    reason = f"Kept as a {kind} order: IBKR did not make it a market order. {why}"[:400]
    Order.objects.move(order, status, now=now, cause=reason, reason=reason, reason_code=code)


EFFECT = changes.Effect(apply=_make_market, keep=_keep)
