"""Orders that IBKR acknowledged and does not show any more: looked for like those whose answer was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from brokers import live
from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.evidence import NOT_SHOWN, Origin
from brokers.domain.orders import CHANGED_IN_PLACE, OrderStatus
from brokers.domain.sessions import Environment
from brokers.models import Connection, Order
from brokers.orders.doubt import open_doubt
from brokers.postgres.notices import ORDERS_CHANNEL, notify

REASON = "IBKR acknowledged this order, and its list of orders does not show it any more; looking for it."
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


@transaction.atomic
def note_list(connection: Connection, account_id: str, facts: Sequence[OrderFacts], asked_at: datetime) -> int:
    """Count the working orders of an account that its complete list misses; returns how many came into doubt."""
    patience = SIMULATED if connection.environment == Environment.SIMULATED else REAL
    working = Order.objects.select_for_update(of=("self",)).filter(
        connection=connection, account__account_id=account_id, status__in=_WORKING, fa_group=""
    )
    lost = 0
    for order in working.exclude(broker_order_id="").order_by("pk"):
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
    lost = Order.objects.move(
        order, OrderStatus.UNKNOWN, now=now, cause=REASON, reason=REASON, reason_code=NOT_SHOWN, absences=0
    )
    if lost:
        open_doubt(order, Origin.VANISHED, now)
        live.order_changed(order)
    return lost
