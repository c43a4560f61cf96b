"""Looks at IBKR itself, asked for where our copy of an account may not stand for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from brokers.models import BrokerageAccount
from brokers.postgres.incarnation import this_database
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, keys, notify

# A look that was asked for and did not come within so long is asked for again.
ASKED_AGAIN_AFTER = timedelta(seconds=10)


def want(accounts: Iterable[BrokerageAccount], now: datetime, unread: Collection[int] = ()) -> None:
    """Ask for a look at the accounts whose book is not IBKR's word of now; their lanes look, and wake the decisions.

    `unread`: accounts whose orders and fills were not brought home into this database, by their keys.
    """
    old = [
        account
        for account in accounts
        if (account.pk in unread or not account.is_present(now))
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


def wanted_unread(connection_pk: int) -> list[BrokerageAccount]:
    """Those of the accounts that a lane has to look at whose orders and fills were not brought home into this database."""
    rows = BrokerageAccount.objects.filter(connection=connection_pk, book_wanted_at__isnull=False)
    return list(rows.exclude(orders_home_in=this_database()).order_by("book_wanted_at", "pk")[:50])


def brought_home(account: BrokerageAccount, database: str) -> None:
    """All orders and fills of an account have been brought home. `database`: its name before IBKR was asked for them.

    Where a backup was put in its place meanwhile, they went into a database that is gone.
    """
    rows = BrokerageAccount.objects.filter(pk=account.pk).exclude(orders_home_in=database)
    if rows.update(orders_home_in=database):
        notify(DECISIONS_CHANNEL, str(account.connection_id))


def answered(account: BrokerageAccount) -> None:
    """A look is over. Where IBKR did not answer, the decisions that wait ask again."""
    BrokerageAccount.objects.filter(pk=account.pk).update(book_wanted_at=None)
    notify(DECISIONS_CHANNEL, str(account.connection_id))
