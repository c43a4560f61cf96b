"""Which connections have orders at the broker that may still change: asked once a second for all watches of a process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from brokers.orders import doubt
from brokers.postgres.threads import Threads

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0


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
                self.now = await self._threads.run(doubt.all_in_flight)
            except Exception as problem:
                log.warning("Orders in flight were not looked for: %s", str(problem).strip()[:200])
            if self.now:
                self._wake(self.now)
