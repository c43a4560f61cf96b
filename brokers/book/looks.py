"""Whether our copy of an account may stand for IBKR itself, and looks that are asked for where it may not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

from brokers.domain.session import proofs
from brokers.models import BrokerageAccount
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, keys, notify

# A look that was asked for and did not come within so long is asked for again.
ASKED_AGAIN_AFTER = timedelta(seconds=10)


def is_present(account: BrokerageAccount, now: datetime) -> bool:
    """Whether money and positions of the account are IBKR's word of now: read a moment ago, or watched ever since."""
    return proofs.is_present(
        proofs.Sight(
            read_at=account.book_as_of,
            stream_since=account.connection.stream_since,
            heard_at=account.connection.stream_heard_at,
        ),
        now,
        proof=timedelta(seconds=settings.STREAM_PROOF_SECONDS),
        fresh=timedelta(seconds=settings.BOOK_FRESH_SECONDS),
    )


def want(accounts: Iterable[BrokerageAccount], now: datetime) -> None:
    """Ask for a look at the accounts whose book is not IBKR's word of now; their lanes look, and wake the decisions."""
    old = [
        account
        for account in accounts
        if not is_present(account, now)
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
    return list(rows.order_by("book_wanted_at")[:50])


def answered(account: BrokerageAccount) -> None:
    """A look is over. Where IBKR did not answer, the decisions that wait ask again."""
    BrokerageAccount.objects.filter(pk=account.pk).update(book_wanted_at=None)
    notify(DECISIONS_CHANNEL)
