"""Which accounts are in use: something is held or works there, or somebody trades by them. Their book is read often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

from brokers.domain.orders import MAY_FILL
from brokers.models import Closing, Order, Position

# Rows of one column, the connection: what floors above have to say of it.
USES: list[Callable[[], QuerySet[Any, Any]]] = []


def connections() -> frozenset[int]:
    """The connections of accounts in use, with one query."""
    held = Position.objects.values_list("account__connection_id")
    working = Order.objects.filter(status__in=[str(status) for status in MAY_FILL]).values_list("connection_id")
    closing = Closing.objects.filter(status=Closing.Status.OPEN).values_list("account__connection_id")
    rows = held.distinct().union(working.distinct(), closing.distinct(), *(use() for use in USES))
    return frozenset(pk for (pk,) in rows)
