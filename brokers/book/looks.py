"""Looks at IBKR itself, asked for where our copy of an account may not stand for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from brokers.models import BrokerageAccount
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, keys, notify

# A look that was asked for and did not come within so long is asked for again.
ASKED_AGAIN_AFTER = timedelta(seconds=10)


def want(accounts: Iterable[BrokerageAccount], now: datetime) -> None:
    """Ask for a look at the accounts whose book is not IBKR's word of now; their lanes look, and wake the decisions."""
    old = [
        account
        for account in accounts
        if not account.is_present(now)
        and (account.book_wanted_at is None or abs(now - account.book_wanted_at) > ASKED_AGAIN_AFTER)
    ]
    if not old:
        return
    BrokerageAccount.objects.filter(pk__in=[account.pk for account in old]).update(book_wanted_at=now)
    for account in old:
        account.book_wanted_at = now
    notify(ORDERS_CHANNEL, keys(account.connection_id for account in old))


def wanted_of(connection_pk: int) -> list[BrokerageAccount]:
    """The accounts that a lane has to look at."""
    rows = BrokerageAccount.objects.filter(connection=connection_pk, book_wanted_at__isnull=False)
    return list(rows.order_by("book_wanted_at", "pk")[:50])


def answered(account: BrokerageAccount) -> None:
    """A look is over. Where IBKR did not answer, the decisions that wait ask again."""
    BrokerageAccount.objects.filter(pk=account.pk).update(book_wanted_at=None)
    notify(DECISIONS_CHANNEL)
