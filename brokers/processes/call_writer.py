"""Writes the log of calls behind the work: in batches, on a thread of its own, and never in anybody's way.

A call waits in memory for about a second. Where the database is away, or more is called than can be written, calls are
dropped and counted, and the next row of their connection says how many are missing before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Self

from django.utils import timezone

from accounts.loops import endings
from brokers.connections import call_log
from brokers.domain.calls import Call
from brokers.postgres.threads import Threads

log = logging.getLogger(__name__)

MOST_WAITING = 4000
BATCH = 100
GATHER_SECONDS = 1.0
# What the last batch may take when the process ends.
LAST_SECONDS = 3.0


class CallWriter:
    """Takes calls on the event loop and writes them from a thread; `async with` starts and ends it."""

    def __init__(
        self,
        *,
        gather: float = GATHER_SECONDS,
        most: int = MOST_WAITING,
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self._gather, self._most, self._clock = gather, most, clock
        self._waiting: deque[tuple[datetime, Call]] = deque()
        self._some = asyncio.Event()
        self._ending = asyncio.Event()
        self._threads = Threads(size=1)
        self._missing: Counter[int] = Counter()
        self._written: Counter[int] = Counter()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending.set()
        self._some.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=LAST_SECONDS)
            await endings.end([self._task])
        self._threads.close(wait=False)
        if lost := len(self._waiting) + self._missing.total():
            log.warning("%d calls are missing from the log of calls", lost)

    @property
    def missing(self) -> int:
        """Calls that were dropped, and of which no row says so yet."""
        return self._missing.total()

    def add(self, call: Call) -> None:
        """Take a call; drop and count it where too many wait."""
        if len(self._waiting) >= self._most:
            self._missing[call.connection] += 1
            return
        self._waiting.append((self._clock() - timedelta(seconds=call.took), call))
        self._some.set()

    async def _run(self) -> None:
        while not self._ending.is_set() or self._waiting:
            await self._some.wait()
            self._some.clear()
            if not self._ending.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._gather):
                        await self._ending.wait()
            while self._waiting:
                await self._write([self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))])

    async def _write(self, batch: list[tuple[datetime, Call]]) -> None:
        counts = Counter(call.connection for _, call in batch)
        missing = {key: self._missing[key] for key in counts if self._missing[key]}
        try:
            written = await self._threads.run(call_log.save, batch, missing)
        except Exception as problem:
            # Whatever it is, orders go on.
            self._missing.update(counts)
            log.warning("%d calls are missing from the log of calls: %s", len(batch), str(problem).strip()[:200])
            return
        self._missing.subtract(missing)
        self._missing = +self._missing
        self._written.update(written)
        await self._trim()

    async def _trim(self) -> None:
        """Keep connections that are busy within their bound, between two rounds of the task that tidies."""
        for key in [key for key, rows in self._written.items() if rows >= call_log.SURPLUS]:
            del self._written[key]
            try:
                await self._threads.run(call_log.trim, key)
            except Exception as problem:
                log.warning("The log of calls was not trimmed: %s", str(problem).strip()[:200])
