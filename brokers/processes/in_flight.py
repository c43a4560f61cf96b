"""Which connections have orders at the broker that may still change: asked once a second for all watches of a process."""

from __future__ import annotations

import asyncio
import time

from brokers.orders import doubt
from brokers.postgres.threads import Threads

FRESH_SECONDS = 1.0


class InFlight:
    """Ten thousand watches ask each second; the database hears one question."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._asking: asyncio.Task[frozenset[int]] | None = None
        self._asked_at = 0.0

    async def has(self, connection_pk: int) -> bool:
        """True while the connection has such orders, as of at most a second ago."""
        now = time.monotonic()
        failed = self._asking is not None and self._asking.done() and not _answered(self._asking)
        if self._asking is None or failed or now - self._asked_at > FRESH_SECONDS:
            self._asked_at = now
            self._asking = asyncio.create_task(self._threads.run(doubt.all_in_flight))
        return connection_pk in await asyncio.shield(self._asking)


def _answered(task: asyncio.Task[frozenset[int]]) -> bool:
    return not task.cancelled() and task.exception() is None
