"""What a subscription's limits are held against: its entries of today, the last of them, the account's result of today.

Read only where the terms set such a limit: most decisions do without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from django.db.models import Count, Max, Q

from brokers.book import day_ledger
from brokers.book.day_ledger import day_start
from brokers.domain.dayresult import DayResult
from brokers.domain.orders import Role
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount
from strategies.domain.terms.terms import Terms
from strategies.models import Decision


class Known(Protocol):
    """Figures of a whole batch, read once."""

    def own_entries(self, subscription_pk: int) -> tuple[int, datetime | None]: ...

    def day_of(self, account: BrokerageAccount) -> DayResult: ...


def counted(
    snapshot: Snapshot,
    terms: Terms,
    *,
    subscription_pk: int,
    account: BrokerageAccount,
    just_now: int,
    now: datetime,
    known: Known | None = None,
) -> Snapshot:
    """The snapshot with the figures that the terms ask for. `just_now`: entries of this batch, which are no rows yet."""
    if terms.max_trades_per_day is not None or terms.cooldown_seconds:
        if known is None:
            made, last = _entries(subscription_pk, now, terms.cooldown_seconds or 0)
        else:
            made, last = known.own_entries(subscription_pk)
        snapshot = replace(snapshot, trades_today=made + just_now, last_trade_at=now if just_now else last)
    if terms.max_daily_loss is not None or terms.max_daily_profit is not None:
        found = day_ledger.results([account], now, ask=False)[account.pk] if known is None else known.day_of(account)
        snapshot = replace(snapshot, day_profit=found.profit, day_unknown=found.unknown)
    return snapshot


def _entries(subscription_pk: int, now: datetime, pause: int) -> tuple[int, datetime | None]:
    """How many decisions of today have an entry, and when the last of them was made."""
    today = day_start(now)
    found = Decision.objects.filter(
        subscription=subscription_pk,
        status=Decision.Status.ACCEPTED,
        ticket__orders__role=str(Role.ENTRY),
        decided_at__gte=min(today, now - timedelta(seconds=pause)),
    ).aggregate(made=Count("pk", filter=Q(decided_at__gte=today), distinct=True), last=Max("decided_at"))
    return found["made"], found["last"]


def entries_by(column: str, pauses: Mapping[int, int], now: datetime) -> dict[int, tuple[int, datetime | None]]:
    """How many entries each of these made today, and when the last was: of `pauses`, whose values are seconds to look back.

    `column` leads from a decision to what is counted for, such as `subscription__account`.
    """
    today = day_start(now)
    found = Decision.objects.filter(
        **{f"{column}__in": list(pauses)},
        status=Decision.Status.ACCEPTED,
        ticket__orders__role=str(Role.ENTRY),
        decided_at__gte=min(today, now - timedelta(seconds=max(pauses.values(), default=0))),
    )
    rows = found.values(column).annotate(
        made=Count("pk", filter=Q(decided_at__gte=today), distinct=True), last=Max("decided_at")
    )
    return {row[column]: (row["made"], row["last"]) for row in rows}
