"""Owners are told of fills of an advisor's group that IBKR has not told: nobody knows which account lacks its stop."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, OuterRef, Sum, TextField, Value
from django.db.models.functions import Cast, Concat

from accounts.turns import in_turn
from brokers.domain.notices import NoticeKind
from brokers.domain.sentences import grouped
from brokers.models import Execution, Notice, Order
from brokers.notices.telling import tell_once

# One call writes so many notices.
MOST = 100


def tell(now: datetime) -> int:
    """Write notices down about entries whose fills are missed; each is told once. How many are new."""
    event = Concat(Value(f"{NoticeKind.MISSING_STOP}:"), Cast("code", TextField()), output_field=TextField())
    told = Notice.objects.filter(connection=OuterRef("connection"), event=OuterRef("event"))
    fresh = Order.objects.alias(event=event).exclude(Exists(told)).whose_fills_are_missed()
    rows = fresh.select_related("connection").in_bulk(in_turn(fresh, MOST, order="changed_at"))
    return sum(_tell(row, now) for row in rows.values())


def _tell(entry: Order, now: datetime) -> bool:
    told = Execution.objects.filter(order=entry.pk).aggregate(all=Sum("quantity"))["all"] or Decimal(0)
    why = (
        f"IBKR has filled {grouped(entry.filled_quantity)} {entry.ticker} for the group {entry.fa_group} and has not told which "
        f"accounts got {grouped(entry.filled_quantity - told)} of them, so these have no stop and no target. Halyard goes on asking, "
        "and places them when it is told. Look at the positions of the group's accounts, and protect them there."
    )
    # The order's page is found by it.
    return tell_once(entry.connection, NoticeKind.MISSING_STOP, entry.code, why, now)
