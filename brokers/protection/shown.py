"""Stops that are missing as pages and programs show them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import Team
from brokers.models import Lapse, Order

# How long a lapse that is over is shown among the positions.
SHOWN_FOR = timedelta(hours=1)


def _lapses() -> QuerySet[Lapse]:
    return Lapse.objects.select_related("account__connection", "stop", "entry").order_by("-pk")


def of_order(order: Order) -> list[Lapse]:
    """Lapses of this stop, of this entry, or that this order was sent for; newest first."""
    rows = _lapses().filter(account=order.account_id, conid=order.conid)
    own = list(rows.filter(Q(stop=order.pk) | Q(entry=order.pk)))
    sent = [each for each in rows.filter(sent__gt=0) if order.ticket.key in keys_of(each)]
    return sorted({each.pk: each for each in (*own, *sent)}.values(), key=lambda each: -each.pk)


def keys_of(lapse: Lapse) -> set[Any]:
    """The keys of the tickets that were sent for a lapse."""
    return {lapse.key_of(number) for number in range(1, lapse.sent + 1)}


def of_team(team: Team, now: datetime) -> list[Lapse]:
    """Lapses that are open, and those that ended a short while ago; newest first."""
    return list(_lapses().filter(Q(ended_at=None) | Q(ended_at__gte=now - SHOWN_FOR), team=team)[:20])
