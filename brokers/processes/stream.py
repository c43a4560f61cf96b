"""The stream process: thousands of sessions kept alive and their news brought home, on one event loop.

One watch per connection: sign in, read everything once, then follow IBKR's websocket. Where it is silent, polling
fills in. Several stream processes share the connections by shard, each under an advisory lock; the shard of one that
is gone is watched by another one until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import psycopg
from django.db import connection
from django.utils import timezone

from accounts import pulse
from brokers.book import in_use
from brokers.connections.connections import Identity, identity_of
from brokers.domain.brokerage import OpenBrokerage
from brokers.domain.session.feed import OpenFeed
from brokers.models import Connection
from brokers.orders import closing
from brokers.postgres.away import AWAY
from brokers.postgres.locks import Locks, direct_parameters
from brokers.postgres.notices import CONNECTIONS_CHANNEL
from brokers.postgres.threads import Threads
from brokers.processes.shards import TAKE_OVER_SECONDS, Shards
from brokers.processes.trials import Trials
from brokers.processes.watching.in_flight import InFlight
from brokers.processes.watching.kept import Kept
from brokers.processes.watching.listening import Listening
from brokers.processes.watching.openings import Openings
from brokers.processes.watching.proofs import Proofs
from brokers.processes.watching.station import brought
from brokers.processes.watching.watch import Watch

log = logging.getLogger(__name__)

AT_ONCE = 20  # so many sessions begin without waiting for each other
LOOK_SECONDS = 2.0  # how often new and changed connections are looked for, in case their notice got lost


class Keeper:
    """Watches every enabled connection of one shard, and of those whose process has gone."""

    def __init__(
        self,
        open_brokerage: OpenBrokerage,
        open_feed: OpenFeed,
        *,
        shard: int = 0,
        shards: int = 1,
        clock: Callable[[], datetime] = timezone.now,
        take_over_seconds: float = TAKE_OVER_SECONDS,
    ) -> None:
        self.open_brokerage = open_brokerage
        self.open_feed = open_feed
        self.shard = shard
        self.shards = shards
        self.clock = clock
        self.take_over_seconds = take_over_seconds
        self.threads = Threads(size=8)
        self.watches: dict[int, Watch] = {}
        # Watches that are told to end; one whose gateway says no goodbye takes seconds, and keeps nobody else waiting.
        self.ending: dict[int, asyncio.Task[None]] = {}
        self.trials = Trials(self)
        self.in_flight = InFlight(self.threads, self._wake)
        self.kept = Kept(self.threads)
        self.proofs = Proofs(self.threads, self._followed)
        self.openings = Openings()
        self.brought = brought()
        # Connections by which somebody trades, or that have something to lose.
        self.in_use: frozenset[int] = frozenset()
        # By shard: what the rows of its connections added up to when they were read last.
        self.known: dict[int, tuple[object, dict[int, Identity]]] = {}
        self.locks: Locks
        self.held: Shards
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Watch until `stopping` is set. A database that goes away is waited for."""
        beats = [asyncio.create_task(beat) for beat in (self._pulse(), self.in_flight.run(), self.proofs.run())]
        try:
            while not self.stopping.is_set():
                try:
                    await self._hold_shards()
                except AWAY as error:
                    log.warning("The database is away, trying again: %s", str(error).strip())
                    await self._pause(1.0)
        finally:
            for beat in beats:
                beat.cancel()
            await self._stop_watches()
            self.threads.close()

    async def _pulse(self) -> None:
        while True:
            await asyncio.to_thread(pulse.beat, "stream")
            await asyncio.sleep(3)

    def _followed(self) -> dict[int, Listening]:
        """The streams that decisions go by: of accounts in use, as far as they are open."""
        watches = ((key, self.watches[key]) for key in self.in_use & self.watches.keys())
        return {key: watch.listening for key, watch in watches if watch.listening is not None}

    def _wake(self, keys: Iterable[int]) -> None:
        for key in keys:
            if key in self.watches:
                self.watches[key].errands.wake.set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()

    async def _hold_shards(self) -> None:
        async with (
            Locks.opened() as self.locks,
            await psycopg.AsyncConnection.connect(**direct_parameters()) as session,
        ):
            self.held = Shards(self.locks, self.shard, self.shards, take_over_seconds=self.take_over_seconds)
            while not await self.held.enter():
                await self._pause(LOOK_SECONDS)
                if self.stopping.is_set():
                    return
            await session.execute(f"LISTEN {CONNECTIONS_CHANNEL}")
            try:
                while not self.stopping.is_set():
                    # Where another process watches our shard, we stand by for the moment it goes.
                    await self.held.look(self._let_go)
                    await self._look()
                    _ = [notice async for notice in session.notifies(timeout=LOOK_SECONDS, stop_after=1)]
            finally:
                # The locks are gone or about to go: somebody else may watch from now on.
                await self._stop_watches()

    async def _let_go(self, shard: int) -> None:
        """End everything of a shard, before somebody else begins with it."""
        watches = [self.watches.pop(key) for key in list(self.watches) if key % self.shards == shard]
        await self.trials.stop()
        await asyncio.gather(*(watch.stop() for watch in watches), *self.ending.values())

    async def _look(self) -> None:
        identities: dict[int, Identity] = {}
        for shard in sorted(self.held.held):
            await self.trials.look(shard, self.shards)
            identities |= await self._to_watch(shard)
        for key in [
            key for key, watch in self.watches.items() if identities.get(key) != watch.identity or watch.task.done()
        ]:
            self.ending[key] = asyncio.create_task(self.watches.pop(key).stop())
        self.ending = {key: task for key, task in self.ending.items() if not task.done()}
        before, self.in_use = self.in_use, await self.threads.run(in_use.connections)
        self._begin({key: of for key, of in identities.items() if key not in self.watches and key not in self.ending})
        due = await self.threads.run(_due, self.clock()) & self.watches.keys()
        for key in due:
            self.watches[key].errands.due = True
        self._wake(due)
        self._wake(self.in_use - before)
        for shard in sorted(self.held.held):
            for key, accounts in (
                await self.threads.run(closing.accounts_to_read, self.clock(), shard, self.shards)
            ).items():
                if key in self.watches:
                    self.watches[key].errands.dirty |= accounts
                    self._wake([key])

    def _begin(self, new: Mapping[int, Identity]) -> None:
        """Watch these too: where they are many, those in use first, and one after the other."""
        openings = self.openings if len(new) > AT_ONCE else None
        for key in sorted(new, key=lambda key: key not in self.in_use):
            self.watches[key] = Watch(self, key, new[key], openings)

    async def _to_watch(self, shard: int) -> dict[int, Identity]:
        """The connections to watch; ten thousand rows are read when one of them has changed, and not at every look."""
        rows = await self.threads.run(_sum_of_rows, shard, self.shards)
        if shard not in self.known or self.known[shard][0] != rows:
            self.known[shard] = rows, await self.threads.run(_to_watch, shard, self.shards)
        return self.known[shard][1]

    async def _stop_watches(self) -> None:
        watches, self.watches = self.watches, {}
        await self.trials.stop()
        await asyncio.gather(*(watch.stop() for watch in watches.values()), *self.ending.values())


# What a running watch depends on, as `identity_of` has it.
_COLUMNS = ("username", "base_url", "environment", "region", "secrets", "signing_keys")
_SUM_OF_ROWS = """
SELECT count(*), sum(hashtextextended(ROW(id, {columns})::text, 0))
FROM brokers_connection WHERE enabled AND id %% %s = %s
"""


def _sum_of_rows(shard: int, shards: int) -> tuple[object, ...]:
    """A number that is another one once a connection of the shard comes, goes or changes."""
    with connection.cursor() as cursor:
        cursor.execute(_SUM_OF_ROWS.format(columns=", ".join(_COLUMNS)), [shards, shard])
        return tuple(cursor.fetchone())


def _to_watch(shard: int, shards: int) -> dict[int, Identity]:
    """Enabled connections of the shard with what a running watch depends on; a change restarts the watch."""
    rows = Connection.objects.filter(enabled=True).only("pk", *_COLUMNS)
    return {row.pk: identity_of(row) for row in rows if row.pk % shards == shard}


def _due(now: datetime) -> set[int]:
    """Connections that cannot trade and are due to be looked at, which somebody may have brought forward."""
    return set(Connection.objects.filter(enabled=True, next_try_at__lte=now).values_list("pk", flat=True))
