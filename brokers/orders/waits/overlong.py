"""Orders of which nobody has heard for too long, whether IBKR can be asked or not: by the clock, they come to a person."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from accounts.turns import in_portions, in_turn
from brokers.domain.doubts.evidence import Origin
from brokers.domain.doubts.limits import LIMITS, Silence, becomes
from brokers.domain.doubts.verdicts import Verdict, too_long
from brokers.domain.orders import OrderStatus
from brokers.models import Doubt, Order
from brokers.orders import vanished
from brokers.orders.doubt import ask_person, open_doubt
from brokers.orders.waits import behind_cancels

# Of what is due at once: so much of it is looked at, in such portions, for so long.
MOST, AT_ONCE, LONGEST_SECONDS = 500, 50, 1.0
CANCEL_NOT_TOLD = "IBKR has not said for a day what became of this order's cancel; looking for the order."
# As the index of what is on its way has them.
_ON_THEIR_WAY = [str(each) for each in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN, OrderStatus.PENDING_CANCEL)]


def due(now: datetime) -> QuerySet[Order]:
    """Orders on their way, in doubt or being canceled, that have been so for too long."""
    return Order.objects.filter(status__in=_ON_THEIR_WAY, changed_at__lte=now - LIMITS.longest)


def look(now: datetime) -> int:
    """Look for those that IBKR had, and ask a person about those that were looked for; returns how many have moved."""
    keys = in_turn(due(now), MOST, order="?")
    return in_portions(keys, lambda some: _look_at(some, now), at_once=AT_ONCE, seconds=LONGEST_SECONDS)


@transaction.atomic
def _look_at(keys: list[int], now: datetime) -> int:
    rows = due(now).filter(pk__in=keys).select_related("connection", "account").order_by("pk")
    return sum(_move_on(order, now) for order in rows.select_for_update(of=("self",), skip_locked=True))


def _move_on(order: Order, now: datetime) -> bool:
    status, is_open = OrderStatus(order.status), None
    if status is OrderStatus.PENDING_CANCEL:
        is_open = behind_cancels.is_open(order, now - LIMITS.empty, now)
    match becomes(Silence(status=status, since=order.changed_at, is_open=is_open), now, LIMITS):
        case OrderStatus.UNKNOWN:
            return vanished.into_doubt(order, CANCEL_NOT_TOLD, now)
        case OrderStatus.NEEDS_ATTENTION:
            _ask(order, too_long(order.changed_at), now)
            return True
    return False


def _ask(order: Order, verdict: Verdict, now: datetime) -> None:
    doubt = open_doubt(order, Origin.ANSWER_LOST, order.changed_at)
    Doubt.objects.filter(pk=doubt.pk).update(code=verdict.code, sentence=verdict.sentence)
    ask_person(order, verdict.sentence, verdict.code, now)
