"""Orders that IBKR acknowledged and does not show any more: looked for like those whose answer was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from brokers import live
from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.evidence import NOT_SHOWN, Origin
from brokers.domain.doubts.limits import LIMITS, Silence, counts_as_missing, is_old
from brokers.domain.orders import WORKING, OrderStatus
from brokers.domain.session import clocks
from brokers.domain.sessions import Environment
from brokers.models import Connection, Order, SubmissionAttempt
from brokers.orders.doubt import open_doubt
from brokers.orders.waits import behind_cancels
from brokers.orders.waits.wished_cancels import wish_cancels
from brokers.postgres.notices import ORDERS_CHANNEL, notify

REASON = "IBKR acknowledged this order, and its list of orders does not show it any more; looking for it."
CANCEL_TAKEN = (
    "IBKR took the cancel of this order, and its list of orders does not show the order any more; looking for it."
)
_AT_WORK = [str(status) for status in WORKING]


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
    return all(order.reference != fact.reference and order.broker_order_id != fact.broker_order_id for fact in facts)


def _is_to_be_listed(order: Order, asked_at: datetime, patience: Patience) -> bool:
    """Whether it works, or IBKR took its cancel a while ago; what IBKR says it has not is looked up by `gone`."""
    if order.status != OrderStatus.PENDING_CANCEL:
        return True
    asked = order.attempts.filter(kind=SubmissionAttempt.Kind.CANCEL).order_by("-pk").first()
    if asked is None or asked.outcome != "accepted" or asked.answered_at is None:
        return False
    return asked.answered_at <= asked_at - patience.quiet


class Noted(NamedTuple):
    """How many orders came into doubt by a list, and the keys of those of its account that are to be canceled."""

    lost: int
    canceling: list[int]


@transaction.atomic
def note_list(connection: Connection, account_id: str, facts: Sequence[OrderFacts], asked_at: datetime) -> Noted:
    """Count the working orders of an account that its complete list misses."""
    patience = SIMULATED if connection.environment == Environment.SIMULATED else REAL
    working = Order.objects.select_for_update(of=("self",)).filter(
        connection=connection, account__account_id=account_id, status__in=_AT_WORK, fa_group=""
    )
    lost, canceling = 0, list[int]()
    for order in working.exclude(broker_order_id="").order_by("pk"):
        if order.status == OrderStatus.PENDING_CANCEL:
            canceling.append(order.pk)
        if not _is_to_be_listed(order, asked_at, patience):
            continue
        if not facts and is_old(order.acknowledged_at, asked_at):
            lost += _unlisted(order, asked_at)
            continue
        if order.unlisted_since is not None:
            Order.objects.filter(pk=order.pk).update(unlisted_since=None)
        if not is_missing(order, facts, asked_at, patience):
            if order.absences:
                Order.objects.filter(pk=order.pk).update(absences=0, checked_at=asked_at)
        elif order.absences == 0 or order.checked_at is None or order.checked_at <= asked_at - patience.apart:
            lost += _missed(order, asked_at, patience)
    if lost:
        notify(ORDERS_CHANNEL, str(connection.pk))
    return Noted(lost, canceling)


def _unlisted(order: Order, now: datetime) -> bool:
    """Note since when the list is empty; whether the order came into doubt, since its market is open all the same."""
    since = order.unlisted_since
    if since is None or clocks.is_ahead(since, now):
        Order.objects.filter(pk=order.pk).update(unlisted_since=now)
        return False
    if now - since < LIMITS.empty:
        return False
    is_open = behind_cancels.is_open(order, now - LIMITS.empty, now)
    silence = Silence(status=OrderStatus(order.status), since=since, is_open=is_open)
    return counts_as_missing(silence, now, LIMITS) and into_doubt(order, _reason(order), now)


def _missed(order: Order, now: datetime, patience: Patience) -> bool:
    if order.absences + 1 < patience.misses:
        Order.objects.filter(pk=order.pk).update(absences=order.absences + 1, checked_at=now)
        return False
    return into_doubt(order, _reason(order), now)


def _reason(order: Order) -> str:
    return CANCEL_TAKEN if order.status == OrderStatus.PENDING_CANCEL else REASON


def into_doubt(order: Order, reason: str, now: datetime) -> bool:
    """Look for an order that IBKR had; False where it has moved since. Call it inside a transaction that holds it."""
    was_canceled = order.status == OrderStatus.PENDING_CANCEL
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
