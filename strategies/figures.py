"""What a subscription's limits are held against: its entries of today, the last of them, the account's result of today.

Read only where the terms set such a limit: most decisions do without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Q

from brokers.domain.orders import Role
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount, EquityPoint
from strategies.domain.terms import Terms
from strategies.models import Decision

# A trading day begins at midnight where most of it happens.
ZONE = ZoneInfo("America/New_York")
# Before a long weekend there is a day to compare with; a value older than this is not yesterday's.
LONGEST_BREAK = timedelta(days=5)


def counted(
    snapshot: Snapshot, terms: Terms, *, subscription_pk: int, account: BrokerageAccount, just_now: int, now: datetime
) -> Snapshot:
    """The snapshot with the figures that the terms ask for. `just_now`: entries of this batch, which are no rows yet."""
    if terms.max_trades_per_day is not None or terms.cooldown_seconds:
        made, last = _entries(subscription_pk, now, terms.cooldown_seconds or 0)
        snapshot = replace(snapshot, trades_today=made + just_now, last_trade_at=now if just_now else last)
    if terms.max_daily_loss is not None or terms.max_daily_profit is not None:
        snapshot = replace(snapshot, day_profit=result(account, now))
    return snapshot


def day_start(now: datetime) -> datetime:
    """When the trading day of this moment began."""
    return now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)


def _entries(subscription_pk: int, now: datetime, pause: int) -> tuple[int, datetime | None]:
    """How many decisions of today have an entry, and when the last of them was made."""
    today = day_start(now)
    found = Decision.objects.filter(
        subscription=subscription_pk, status=Decision.Status.ACCEPTED, ticket__orders__role=str(Role.ENTRY),
        decided_at__gte=min(today, now - timedelta(seconds=pause)),
    ).aggregate(made=Count("pk", filter=Q(decided_at__gte=today), distinct=True), last=Max("decided_at"))  # fmt: skip
    return found["made"], found["last"]


def entries_by(column: str, pauses: Mapping[int, int], now: datetime) -> dict[int, tuple[int, datetime | None]]:
    """How many entries each of these made today, and when the last was: of `pauses`, whose values are seconds to look back.

    `column` leads from a decision to what is counted for, such as `subscription__account`.
    """
    today = day_start(now)
    found = Decision.objects.filter(
        **{f"{column}__in": list(pauses)}, status=Decision.Status.ACCEPTED, ticket__orders__role=str(Role.ENTRY),
        decided_at__gte=min(today, now - timedelta(seconds=max(pauses.values(), default=0))),
    )  # fmt: skip
    rows = found.values(column).annotate(
        made=Count("pk", filter=Q(decided_at__gte=today), distinct=True), last=Max("decided_at")
    )
    return {row[column]: (row["made"], row["last"]) for row in rows}


def result(account: BrokerageAccount, now: datetime) -> Decimal | None:
    """The account's worth now less what it was when the day began; None where one of them is not known.

    Money paid in or out counts as a result: our copy of the account does not tell it apart.
    """
    start = day_start(now)
    points = EquityPoint.objects.filter(account=account, at__gte=start - LONGEST_BREAK).order_by("at")
    before = points.filter(at__lt=start).last() or points.first()
    if before is None or account.equity is None:
        return None
    result: Decimal = account.equity - before.equity
    return result
