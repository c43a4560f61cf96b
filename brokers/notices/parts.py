"""Owners are told of a part of an entry that was refused, or never left, while the others work."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q, Sum, TextField, Value
from django.db.models.functions import Cast, Concat

from accounts.turns import in_turn
from brokers.domain.notices import NoticeKind
from brokers.domain.orders import OrderStatus, Role
from brokers.domain.sentences import cut, grouped
from brokers.models import Notice, Order
from brokers.notices.telling import STALE, tell_once

# One call writes so many notices.
MOST = 100
_REFUSED = Q(status__in=[str(OrderStatus.REJECTED), str(OrderStatus.DENIED)])
# As missing as one that was refused: its time was over before it could leave.
_NEVER_LEFT = Q(status=str(OrderStatus.EXPIRED), broker_order_id="", filled_quantity=0)
_WORKS = (str(OrderStatus.ACCEPTED), str(OrderStatus.PARTIALLY_FILLED), str(OrderStatus.FILLED))


def tell(now: datetime) -> int:
    """Write notices down about parts of entries that are missing while others of their ticket work; how many are new."""
    others = Order.objects.filter(ticket=OuterRef("ticket"), account=OuterRef("account"), role=str(Role.ENTRY))
    late = Order.objects.filter(
        role=str(Role.ENTRY), status__in=["rejected", "denied", "expired"], changed_at__gt=now - STALE
    )
    alone = late.filter(_REFUSED | _NEVER_LEFT, Exists(others.filter(status__in=_WORKS)))
    event = Concat(Value(f"{NoticeKind.PART_REFUSED}:"), Cast("code", TextField()), output_field=TextField())
    told = Notice.objects.filter(connection=OuterRef("connection"), event=OuterRef("event"))
    fresh = alone.alias(event=event).exclude(Exists(told))
    rows = fresh.select_related("account", "connection").in_bulk(in_turn(fresh, MOST, order="changed_at"))
    return sum(_tell(row, now) for row in rows.values())


def _tell(part: Order, now: datetime) -> bool:
    beside = Order.objects.filter(ticket=part.ticket_id, account=part.account_id, role=str(Role.ENTRY))
    all_of_it = beside.aggregate(all=Sum("quantity"))["all"] or Decimal(0)
    left = beside.filter(status__in=_WORKS).aggregate(all=Sum("quantity"))["all"] or Decimal(0)
    why = (
        f"Of the entry of {grouped(all_of_it)} {part.ticker} in {part.account.account_id} a part of {grouped(part.quantity)} does "
        f"not work: {cut(part.reason, 300)} {grouped(left)} work or have filled, each part with its legs. Send what is missing "
        "again, if you want it."
    )
    # The order's page is found by it.
    return tell_once(part.connection, NoticeKind.PART_REFUSED, part.code, why, now)
