"""Sessions that are as they were: what a tickle proves is written for many of them in one statement."""

from __future__ import annotations

import asyncio
from datetime import datetime

from django.conf import settings

from brokers.connections import sessions
from brokers.postgres.threads import Threads

GATHER_SECONDS = 0.5


class Kept:
    """Gathers for a moment what the watches of a process saw."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: dict[int, tuple[datetime, asyncio.Future[bool]]] = {}
        self._writing: asyncio.Task[None] | None = None

    async def write(self, connection_pk: int, now: datetime) -> bool:
        """Write that the session can trade as of `now`. False where its row says something else: it is to be judged."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[connection_pk] = now, answer
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await answer

    async def _write(self) -> None:
        # A row must not be older than half a tickle by the time it is written.
        await asyncio.sleep(min(GATHER_SECONDS, settings.KEEP_SECONDS / 20))
        batch, self._waiting, self._writing = self._waiting, {}, None
        try:
            written = await self._threads.run(sessions.kept_as_before, {pk: now for pk, (now, _) in batch.items()})
        except Exception as problem:
            for _, answer in batch.values():
                if not answer.done():
                    answer.set_exception(problem)
            return
        for pk, (_, answer) in batch.items():
            if not answer.done():
                answer.set_result(pk in written)
