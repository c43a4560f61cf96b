"""Cancels of orders placed elsewhere: only of those that a person named, and settled only by what the broker shows.

The row is the request: it says who asked and when, and when one last left. A request is repeated at most twice, and only
after the order was read as working long after the last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from accounts import audit
from accounts.models import User
from brokers import live
from brokers.models import ForeignOrder
from brokers.orders.cancels import MOST_REQUESTS
from brokers.postgres.notices import ORDERS_CHANNEL, notify

# How long IBKR is given, before the order is taken to work on all the same.
REPEATED_AFTER = timedelta(seconds=30)
ACCEPTED, REJECTED, GONE, AMBIGUOUS = "accepted", "rejected", "gone", "ambiguous"
# It did not leave, or IBKR said that it did nothing of it: asked again as soon as the way is free.
NOT_SENT = "not_sent"
_NOTES = {
    ACCEPTED: "IBKR has the request. A fill can still overtake it.",
    GONE: "IBKR says that it has no such order any more; the next look at its orders tells.",
    AMBIGUOUS: "IBKR's answer to the request was lost. Halyard looks whether the order still works, and asks again then.",
}


@transaction.atomic
def ask(rows: Iterable[ForeignOrder], *, actor: User | None, now: datetime) -> int:
    """Wish the cancel of these orders, which a person has named; how many were not being canceled yet."""
    count = 0
    for row in rows:
        fresh = ForeignOrder.objects.filter(pk=row.pk, cancel_asked_at=None)
        if not fresh.update(
            cancel_asked_at=now, cancel_asked_by=actor, cancel_sent_at=None, cancels_sent=0, cancel_note=""
        ):
            continue
        count += 1
        account = row.account
        audit.record(
            team=account.team,
            actor=actor,
            action="foreign_order.cancel_requested",
            subject=f"{row.broker_order_id} in {account.account_id}",
            now=now,
            after={"side": row.side, "remaining": str(row.remaining), "ticker": row.ticker},
        )
        notify(ORDERS_CHANNEL, str(account.connection_id))
        live.account_changed(account)
    return count


def due() -> QuerySet[ForeignOrder]:
    """Orders whose cancel is to leave: for the first time, or again since they were read as working long after."""
    again = Q(cancels_sent__lt=MOST_REQUESTS, seen_at__gt=F("cancel_sent_at") + REPEATED_AFTER)
    wished = ForeignOrder.objects.filter(cancel_asked_at__isnull=False, account__connection__enabled=True)
    return wished.filter(Q(cancel_sent_at=None) | again)


def next_one(connection_pk: int) -> ForeignOrder | None:
    """The connection's next order to ask about."""
    rows = due().filter(account__connection=connection_pk).select_related("account")
    return rows.order_by("cancel_asked_at", "pk").first()


def begin(row: ForeignOrder, now: datetime) -> bool:
    """Write down that a request is about to leave; False where somebody else did or the wish is gone."""
    same = ForeignOrder.objects.filter(pk=row.pk, cancels_sent=row.cancels_sent, cancel_asked_at__isnull=False)
    return bool(same.update(cancel_sent_at=now, cancels_sent=F("cancels_sent") + 1))


@transaction.atomic
def finish(row: ForeignOrder, outcome: str, reason: str) -> None:
    """Write down what IBKR said. Only its list of orders tells what became of the order. `row` as it was before `begin`."""
    note = _NOTES.get(outcome) or f"{'Not sent yet' if outcome == NOT_SENT else 'Not canceled'}: {reason}"
    values: dict[str, object] = {"cancel_note": note[:300]}
    if outcome == REJECTED:
        # A person decides whether to ask again.
        values |= {"cancel_asked_at": None}
    elif outcome == NOT_SENT:
        values |= {"cancel_sent_at": row.cancel_sent_at, "cancels_sent": row.cancels_sent}
    ForeignOrder.objects.filter(pk=row.pk).update(**values)
    live.account_changed(row.account)
