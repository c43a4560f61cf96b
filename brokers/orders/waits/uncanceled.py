"""Cancels that IBKR took and does not carry out: its lists show the order as working. Asked once more, then a person's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from django.db import transaction

from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.limits import NOT_CANCELED
from brokers.domain.orders import OrderStatus
from brokers.domain.sessions import Environment
from brokers.models import Order, SubmissionAttempt
from brokers.orders import cancels
from brokers.orders.waits import behind_cancels
from brokers.postgres.notices import ORDERS_CHANNEL, keys, notify

# Requests that IBKR took, until a person is asked.
MOST_ASKED = 2
IGNORED = (
    "IBKR took the cancel twice and still shows the order as working, so it may fill. Cancel it in TWS or Client Portal, or"
    " once more on its page."
)
# So long an open market has to carry a cancel out.
REAL, SIMULATED = timedelta(seconds=60), timedelta(seconds=2)
# Where nobody says when it is open: longer than a night, and shorter than an order may be on its way unexplained.
OF_UNKNOWN_HOURS = timedelta(hours=20)


def note_list(canceling: Collection[int], facts: Sequence[OrderFacts], asked_at: datetime) -> int:
    """Note which orders of an account that are to be canceled, by their keys, its list shows as working, asked for at
    `asked_at`; returns of how many that has lasted too long.
    """
    shown = (fact.broker_order_id for fact in facts if fact.status is OrderStatus.ACCEPTED)
    working = {number for number in shown if number}
    return _note(canceling, working, asked_at) if working else 0


@transaction.atomic
def _note(canceling: Collection[int], working: Collection[str], asked_at: datetime) -> int:
    shown = Order.objects.filter(pk__in=canceling, status=str(OrderStatus.PENDING_CANCEL), broker_order_id__in=working)
    rows = shown.select_related("connection").select_for_update(of=("self",)).order_by("pk")
    late = [order for order in rows if _follow(order, asked_at)]
    if late:
        notify(ORDERS_CHANNEL, keys({order.connection_id for order in late}))
    return len(late)


def _follow(order: Order, asked_at: datetime) -> bool:
    """Let a cancel that is not carried out be asked for again, or tell a person; False where IBKR still has time for it."""
    last = cancels.requests(order).order_by("-pk").first()
    if last is None or last.outcome != cancels.ACCEPTED or last.answered_at is None:
        # It is on its way, or what became of the request is looked up.
        return False
    patience = _patience(order, asked_at)
    if patience is None or asked_at - last.answered_at < patience:
        return False
    told = _times_taken(order) >= MOST_ASKED
    SubmissionAttempt.objects.filter(pk=last.pk).update(outcome=cancels.REJECTED if told else cancels.NOT_APPLIED)
    if told:
        cancels.back_to_work(order, IGNORED, asked_at, code=NOT_CANCELED)
    return True


def _patience(order: Order, now: datetime) -> timedelta | None:
    """How long IBKR has to carry a cancel of this order out; None while its market is closed, or has just opened."""
    patience = SIMULATED if order.connection.environment == Environment.SIMULATED else REAL
    is_open = behind_cancels.is_open(order, now - patience, now)
    if is_open is None:
        return OF_UNKNOWN_HOURS
    return patience if is_open else None


def _times_taken(order: Order) -> int:
    """How often IBKR has taken its cancel since it, or this, last said that it was not canceled."""
    outcomes = (
        order.attempts.filter(kind=SubmissionAttempt.Kind.CANCEL).order_by("-pk").values_list("outcome", flat=True)
    )
    since = takewhile(lambda outcome: outcome != cancels.REJECTED, outcomes)
    return sum(outcome in {cancels.ACCEPTED, cancels.NOT_APPLIED} for outcome in since)
