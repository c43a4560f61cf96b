"""What subscriptions use: figures that their limits are checked against, and the connections that they trade by.

The figures (entries today, the last entry, the account's day) are read only where the terms set such a limit: most
decisions do without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db.models import Count, Max, Q, QuerySet

from brokers.book.day_ledger import day_start
from brokers.domain.dayresult import DayResult
from brokers.domain.orders import Role
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount
from strategies.domain.terms.terms import Terms
from strategies.models import Decision, Subscription

DAY_OF_A_GROUP = (
    "the results of a group's accounts are not summed. Set the limit on each of its accounts, and none in the terms."
)


class Figures(Protocol):
    """Figures of a whole batch at `now`, each kind read once."""

    now: datetime

    def own_entries(self, subscription_pk: int) -> tuple[int, datetime | None]: ...

    def day_of(self, account: BrokerageAccount) -> DayResult: ...


def followed_connections() -> QuerySet[Any, Any]:
    """The connections of accounts that a subscription trades by, as `brokers.book.in_use` wants them."""
    return Subscription.objects.filter(enabled=True).values_list("account__connection_id").distinct()


def counted(
    snapshot: Snapshot, terms: Terms, subscription: Subscription, *, planned: int, figures: Figures
) -> Snapshot:
    """The snapshot with the figures that the terms ask for. `planned`: entries of this batch, which have no rows yet."""
    if terms.max_trades_per_day is not None or terms.cooldown_seconds:
        entries, last = figures.own_entries(subscription.pk)
        snapshot = replace(snapshot, trades_today=entries + planned, last_trade_at=figures.now if planned else last)
    if terms.max_daily_loss is not None or terms.max_daily_profit is not None:
        if subscription.group_id is not None:
            return replace(snapshot, day_unknown=DAY_OF_A_GROUP)
        result = figures.day_of(subscription.account)
        snapshot = replace(snapshot, day_profit=result.profit, day_unknown=result.unknown)
    return snapshot


def entries_by(column: str, pauses: Mapping[int, int], now: datetime) -> dict[int, tuple[int, datetime | None]]:
    """The number of entries today and the moment of the last, by key of a row of `column`.

    `column` leads from a decision to the row that is counted for, such as `subscription__account`. `pauses` holds the
    keys to count for; its values are pauses in seconds, within which the last entry is looked for across midnight.
    """
    today = day_start(now)
    entries = Decision.objects.filter(
        **{f"{column}__in": list(pauses)},
        status=Decision.Status.ACCEPTED,
        ticket__orders__role=str(Role.ENTRY),
        decided_at__gte=min(today, now - timedelta(seconds=max(pauses.values(), default=0))),
    )
    rows = entries.values(column).annotate(
        made=Count("pk", filter=Q(decided_at__gte=today), distinct=True), last=Max("decided_at")
    )
    return {row[column]: (row["made"], row["last"]) for row in rows}
