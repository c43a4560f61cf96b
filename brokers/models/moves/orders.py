"""How an order moves from status to status, and the event of each move."""

from __future__ import annotations

import contextlib
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone

from brokers.domain.doubts.limits import WORKS_ON
from brokers.domain.orders import CHANGED_IN_PLACE, IN_DOUBT, OVER, SIZED_BY_THE_BROKER, TRANSITIONS, OrderStatus

if TYPE_CHECKING:
    from brokers.models.orders import Order


class OrderChanges(TypedDict, total=False):
    """The columns of an order that change together with its status, or while it works."""

    type: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_amount: Decimal | None
    trail_percent: Decimal | None
    outside_rth: bool
    resize_to: Decimal | None
    resize_asked_at: datetime | None
    keeps_its_size: bool
    filled_quantity: Decimal
    average_price: Decimal
    broker_order_id: str
    reason: str
    reason_code: str
    held_reason: str
    absences: int
    unlisted_since: datetime | None
    submitted_at: datetime | None
    acknowledged_at: datetime
    filled_at: datetime | None
    time_in_force: str
    good_till: datetime | None
    cancel_again_at: datetime | None
    expires_at: datetime


class OrderQuerySet(models.QuerySet["Order"]):
    def move(
        self, order: Order, to: OrderStatus, *, now: datetime, cause: str = "", **changes: Unpack[OrderChanges]
    ) -> bool:
        """Move an order and write its event, in one transaction; False when someone else got there first.

        Compare-and-set on the status the caller saw. `cause` is the evidence for people; `changes` are further columns.
        On success `order` carries the new values.
        """
        old = OrderStatus(order.status)
        if to is OrderStatus.PENDING_CANCEL and order.reason.startswith(WORKS_ON):
            # What an earlier request came to says nothing of this one.
            changes.setdefault("reason", "")
        if "reason" in changes:
            # A reason of another kind must not keep the name of the one before.
            changes.setdefault("reason_code", "")
        values = {"status": str(to), "changed_at": now, **changes}
        ends_doubts = old in IN_DOUBT and to not in IN_DOUBT
        # No savepoint of its own: a move that fails inside a larger step must undo that step.
        with transaction.atomic(savepoint=False) if ends_doubts else contextlib.nullcontext():
            if not _moved_with_event(order, old, values, cause[:300]):
                return False
            if ends_doubts:
                order.doubts.filter(closed_at=None).update(closed_at=now, became=str(to))
        for column, value in values.items():
            setattr(order, column, value)
        return True

    def whose_fills_are_missed(self) -> Self:
        """Entries of advisors' groups that are over and whose fills IBKR has not told: nobody knows which account lacks a stop."""
        over = [str(status) for status in OVER]
        return self.filter(legs_look_at__isnull=False, status__in=over, legs_by_account__untold=True)


# One statement, and so one trip and one transaction, for what would be four trips.
_MOVE = """
WITH moved AS (
  UPDATE brokers_order SET {columns} WHERE id = %s AND status = %s RETURNING id
)
INSERT INTO brokers_orderevent (order_id, old, new, cause, at) SELECT id, %s, %s, %s, %s FROM moved
"""


def _moved_with_event(order: Order, old: OrderStatus, values: dict[str, Any], cause: str) -> bool:
    """Write these columns of an order and the event of its move; False when its status is another one by now."""
    fields = {field.name: field for field in order._meta.concrete_fields}
    columns = ", ".join(f"{fields[name].column} = %s" for name in values)
    written = [fields[name].get_db_prep_save(value, connection) for name, value in values.items()]
    event = [str(old), values["status"], cause, values["changed_at"]]
    with connection.cursor() as cursor:
        cursor.execute(_MOVE.format(columns=columns), [*written, order.pk, str(old), *event])
        return bool(cursor.rowcount)


OrderManager = models.Manager.from_queryset(OrderQuerySet)


def _legal_moves() -> Q:
    condition = Q(old="", new=str(OrderStatus.CREATED))
    for old, targets in TRANSITIONS.items():
        if targets:
            condition |= Q(old=str(old), new__in=sorted(str(new) for new in targets))
    for status in sorted(map(str, CHANGED_IN_PLACE | SIZED_BY_THE_BROKER)):
        condition |= Q(old=status, new=status)
    return condition


class OrderEvent(models.Model):
    """Append-only: each move of an order. Postgres refuses a move that the table of TRANSITIONS does not name.

    A move from a status to itself says what was changed about an order that works.
    """

    order = models.ForeignKey("Order", on_delete=models.CASCADE, related_name="events")
    old = models.CharField(max_length=20, blank=True)
    new = models.CharField(max_length=20)
    cause = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "change of an order"
        verbose_name_plural = "changes of orders"
        constraints = [models.CheckConstraint(condition=_legal_moves(), name="order_event_is_a_legal_move")]
        indexes = [models.Index(fields=["order", "id"], name="order_events_in_order")]

    def __str__(self) -> str:
        return f"{self.old or '-'} -> {self.new}"
