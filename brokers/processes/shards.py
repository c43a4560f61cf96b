"""Which shards of the connections a stream process watches: its own, and those whose process has gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from brokers.postgres.locks import Locks, Space

log = logging.getLogger(__name__)

TAKE_OVER_SECONDS = 10.0  # a process that restarts is back before
_ENTRANCE = 0  # no number of shards


class Shards:
    """The locks of one stream process. Whatever dies lets go of its locks, and what is watched is always locked."""

    def __init__(self, locks: Locks, shard: int, shards: int, *, take_over_seconds: float = TAKE_OVER_SECONDS) -> None:
        self._locks, self._own, self._shards = locks, shard, shards
        self._take_over_seconds = take_over_seconds
        self._absent_since: dict[int, float] = {}
        self._told = False
        self.held: set[int] = set()

    async def enter(self) -> bool:
        """Take part, unless others share the connections by another number of shards: some would be watched twice."""
        async with self._locks.only_one(Space.STREAMS, _ENTRANCE) as alone:
            if not alone:
                return False
            other_counts = await self._locks.held(Space.STREAMS) - {_ENTRANCE, self._shards}
            if other_counts:
                if not self._told:
                    log.warning(
                        "Other stream processes run with --shards %s, this one with --shards %s: it waits until they ended.",
                        ", ".join(map(str, sorted(other_counts))),
                        self._shards,
                    )
                self._told = True
                return False
            entered = await self._locks.share(Space.STREAMS, self._shards)
        return entered and await self._locks.share(Space.STREAM_HOME, self._own)

    async def look(self, let_go: Callable[[int], Awaitable[None]]) -> None:
        """Take what is ours or nobody's, and give back what has its own process again, once `let_go` has ended its watches."""
        homes = await self._locks.held(Space.STREAM_HOME)
        for shard in sorted((self.held - {self._own}) & homes):
            await let_go(shard)
            self.held.discard(shard)
            await self._locks.free(Space.STREAM, shard)
            log.warning("Shard %d of the connections has a stream process of its own again.", shard)
        for shard in range(self._shards):
            if shard not in self.held and self._may_take(shard, homes) and await self._locks.take(Space.STREAM, shard):
                self.held.add(shard)
                if shard != self._own:
                    log.warning(
                        "Shard %d of the connections had no stream process; shard %d's watches it.", shard, self._own
                    )

    def _may_take(self, shard: int, homes: set[int]) -> bool:
        if shard == self._own:
            return True
        if shard in homes:
            self._absent_since.pop(shard, None)
            return False
        return time.monotonic() - self._absent_since.setdefault(shard, time.monotonic()) >= self._take_over_seconds
