"""Which connections have orders at the broker that may still change: asked once a second for all watches of a process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from brokers.domain.orders import IN_FLIGHT, WORKING
from brokers.models import ForeignOrder, Order
from brokers.postgres.threads import Threads

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
# Two lists that miss an order end it. For longer than this it is not asked for: an empty list of IBKR's proves nothing.
SEEN_ONCE_FOR = timedelta(minutes=10)


class InFlight:
    """Ten thousand watches sleep; the database hears one question, and those are woken that it is about."""

    def __init__(self, threads: Threads, wake: Callable[[frozenset[int]], None]) -> None:
        self._threads, self._wake = threads, wake
        self.now: frozenset[int] = frozenset()

    async def run(self) -> None:
        """Ask until canceled. While the database is away, what it said last holds."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                self.now = await self._threads.run(changing, timezone.now())
            except Exception as problem:
                log.warning("Orders in flight were not looked for: %s", str(problem).strip()[:200])
            if self.now:
                self._wake(self.now)


def changing(now: datetime) -> frozenset[int]:
    """The connections whose lists of orders are to be read where the stream says nothing of them.

    Those with orders of ours that may still change, and those with an order of somebody else's that one report alone has
    shown: a list that is brought home late begins the row of an order that has ended since, as the stream had said.
    """
    states = [str(status) for status in IN_FLIGHT | WORKING]
    ours = Order.objects.filter(status__in=states).order_by().values_list("connection_id", flat=True)
    theirs = ForeignOrder.objects.filter(seen_at=F("first_seen_at"), first_seen_at__gt=now - SEEN_ONCE_FOR)
    return frozenset(ours.union(theirs.order_by().values_list("account__connection_id", flat=True)))
