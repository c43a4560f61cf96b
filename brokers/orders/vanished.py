"""Orders that IBKR acknowledged and does not show any more: looked for like those whose answer was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery

from brokers import live
from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.evidence import NOT_SHOWN, Origin
from brokers.domain.orders import CHANGED_IN_PLACE, OrderStatus
from brokers.domain.sessions import Environment
from brokers.models import Connection, Order, SubmissionAttempt
from brokers.orders.doubt import open_doubt
from brokers.orders.tickets import wish_cancels
from brokers.postgres.notices import ORDERS_CHANNEL, notify

REASON = "IBKR acknowledged this order, and its list of orders does not show it any more; looking for it."
CANCEL_TAKEN = (
    "IBKR took the cancel of this order, and its list of orders does not show the order any more; looking for it."
)
_WORKING = [str(status) for status in CHANGED_IN_PLACE]
# After hours IBKR's list may be empty although orders work: for those that are older than this it says nothing.
EMPTY_SAYS_NOTHING_AFTER = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long after its acknowledgement a list has to show an order, and how far apart two lists must miss it."""

    quiet: timedelta = timedelta(seconds=10)
    apart: timedelta = timedelta(seconds=5)
    misses: int = 2


REAL = Patience()
SIMULATED = Patience(quiet=timedelta(seconds=1), apart=timedelta(seconds=0.4))


def is_missing(order: Order, facts: Sequence[OrderFacts], asked_at: datetime, patience: Patience) -> bool:
    """Whether a complete list, asked for at `asked_at`, should name an order and does not."""
    if order.acknowledged_at is None or order.acknowledged_at > asked_at - patience.quiet:
        return False
    if not facts and order.acknowledged_at < asked_at - EMPTY_SAYS_NOTHING_AFTER:
        return False
    return all(order.reference != fact.reference and order.broker_order_id != fact.broker_order_id for fact in facts)


def _at_work(asked_at: datetime, patience: Patience) -> QuerySet[Order]:
    """Orders that lists have to name: those that work, and those whose cancel IBKR took a while ago."""
    asked = SubmissionAttempt.objects.filter(order=OuterRef("pk"), kind=SubmissionAttempt.Kind.CANCEL).order_by("-pk")
    last = {"canceled": Subquery(asked.values("outcome")[:1]), "canceled_at": Subquery(asked.values("answered_at")[:1])}
    taken = Q(canceled="accepted", canceled_at__lte=asked_at - patience.quiet)
    pending = Q(status=str(OrderStatus.PENDING_CANCEL)) & taken
    return Order.objects.alias(**last).filter(Q(status__in=_WORKING) | pending).exclude(broker_order_id="")


@transaction.atomic
def note_list(connection: Connection, account_id: str, facts: Sequence[OrderFacts], asked_at: datetime) -> int:
    """Count the working orders of an account that its complete list misses; returns how many came into doubt."""
    patience = SIMULATED if connection.environment == Environment.SIMULATED else REAL
    rows = _at_work(asked_at, patience).select_for_update(of=("self",))
    working = rows.filter(connection=connection, account__account_id=account_id, fa_group="")
    lost = 0
    for order in working.order_by("pk"):
        if not is_missing(order, facts, asked_at, patience):
            if order.absences:
                Order.objects.filter(pk=order.pk).update(absences=0, checked_at=asked_at)
        elif order.absences == 0 or order.checked_at is None or order.checked_at <= asked_at - patience.apart:
            lost += _missed(order, asked_at, patience)
    if lost:
        notify(ORDERS_CHANNEL, str(connection.pk))
    return lost


def _missed(order: Order, now: datetime, patience: Patience) -> bool:
    if order.absences + 1 < patience.misses:
        Order.objects.filter(pk=order.pk).update(absences=order.absences + 1, checked_at=now)
        return False
    was_canceled = order.status == OrderStatus.PENDING_CANCEL
    reason = CANCEL_TAKEN if was_canceled else REASON
    lost = Order.objects.move(
        order, OrderStatus.UNKNOWN, now=now, cause=reason, reason=reason, reason_code=NOT_SHOWN, absences=0
    )
    if lost:
        open_doubt(order, Origin.VANISHED, now)
        if was_canceled:
            # Should it work after all, it is to be canceled still.
            wish_cancels(order.account, [order], "its cancel was asked for before IBKR showed it no more", now)
        live.order_changed(order)
    return lost
