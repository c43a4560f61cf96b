"""Changes that cannot be made any more: their order is over, has filled too much, or their time is."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.turns import in_portions
from brokers import live
from brokers.domain.orders import OVER, OrderStatus
from brokers.domain.sentences import ended, grouped
from brokers.models import Order, OrderModification, SubmissionAttempt
from brokers.orders.changes import IN_DOUBT, NOT_APPLIED
from brokers.orders.modifications import wishes
from brokers.orders.modifications.wishes import Status

# Of what is due at once so much is ended, for so long.
_MOST, _LONGEST_SECONDS = 500, 1.0
# For so long the answer to a change is waited for once its order is over.
_ANSWER_WITHIN = timedelta(seconds=30)
_DAY_SECONDS = 86_400
_OVER = [str(status) for status in OVER]


def end_due(now: datetime, connection_pk: int | None = None) -> int:
    """End the changes that cannot be made any more; returns how many."""
    due = _due(now)
    if connection_pk is not None:
        due = due.filter(connection=connection_pk)
    keys = list(due.order_by("pk").values_list("pk", flat=True)[:_MOST])
    return in_portions(keys, lambda one: _end(one[0], now), at_once=1, seconds=_LONGEST_SECONDS)


def _due(now: datetime) -> QuerySet[OrderModification]:
    waiting = Q(status=Status.WAITING) & (
        Q(expires_at__lte=now) | Q(order__status__in=_OVER) | Q(quantity__lte=F("order__filled_quantity"))
    )
    answer_may_come = SubmissionAttempt.objects.filter(
        order=OuterRef("order"), kind=SubmissionAttempt.Kind.MODIFY, outcome="", sent_at__gt=now - _ANSWER_WITHIN
    )
    leaving = Q(status=Status.LEAVING, order__status__in=_OVER) & ~Exists(answer_may_come)
    return OrderModification.objects.filter(waiting | leaving, status__in=wishes.OPEN)


@transaction.atomic
def _end(key: int, now: datetime) -> int:
    row = OrderModification.objects.only("order_id").get(pk=key)
    order = Order.objects.select_for_update().get(pk=row.order_id)
    locked = _due(now).filter(pk=key).first()
    if locked is None:
        return 0
    code, reason = _why(locked, order)
    attempts = order.attempts.filter(kind=SubmissionAttempt.Kind.MODIFY, request__modification=locked.pk)
    if attempts.exists():
        wishes.go_by_the_wanted_trail(order, locked)
    attempts.filter(outcome__in=IN_DOUBT).update(outcome=NOT_APPLIED, answered_at=now)
    wishes.end_pair(locked, now)
    wishes.end(locked, Status.NOT_MADE, now, code=code, reason=reason)
    live.order_changed(order)
    return 1


def _why(row: OrderModification, order: Order) -> tuple[str, str]:
    status = OrderStatus(order.status)
    if status in OVER:
        return wishes.over(status)
    if row.quantity is not None and row.quantity <= order.filled_quantity:
        return below_filled(order)
    seconds = (row.expires_at - row.asked_at).total_seconds()
    connection = order.connection
    why = "its connection is switched off" if not connection.enabled else connection.session_reason
    last = f" Last known: {ended(why)}" if why else ""
    within = f"{seconds / _DAY_SECONDS:.0f} days" if seconds >= _DAY_SECONDS else f"{seconds:.0f} seconds"
    return "change-too-late", f"Not changed: it could not leave within {within}.{last}"


def below_filled(order: Order) -> tuple[str, str]:
    """Why an order is not made as small as that, as a code and a sentence."""
    filled = grouped(order.filled_quantity)
    return (
        "quantity-below-filled",
        f"Not changed: {filled} of it are filled already. Send a size above that, or cancel the rest.",
    )
