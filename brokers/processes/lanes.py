"""Orders on their way: one lane per connection, all lanes of a shard on one event loop inside a Celery task.

A lane works its connection's rows under the connection's lock: questions about contracts, cancels, then ready orders,
exits before entries. Different connections never wait for each other, and a broker that hangs costs its own lane only.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

import psycopg
from django.utils import timezone

from accounts.loops import endings
from accounts.turns import Manners, each_alone
from brokers.connections import connections
from brokers.domain.brokerage import OpenBrokerage
from brokers.orders import cancels, closing, unsent
from brokers.orders.modifications import overdue
from brokers.orders.together.handing import Reserved, lanes_here
from brokers.postgres.away import AWAY
from brokers.postgres.locks import Locks, Space, direct_parameters
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, STOP, notify
from brokers.postgres.threads import Threads
from brokers.processes import agenda
from brokers.processes.handed.shared import Shared, answers_of, looks_of
from brokers.processes.lane import STOP_SECONDS, Lane

# A task stays for the next order even when idle: a signal comes every few minutes, and a cold start would cost it more
# than all the rest of its way. The sweep starts the next one when this one ends, which it does now and then so that
# nothing a long life gathers stays for good.
LONGEST_SECONDS = 600.0
TIDY_SECONDS = 1.0
# A lane whose gateway hangs ends under its connection's own lock; the shard does not wait for it.
HANDOVER_SECONDS = 0.5


class Lanes:
    """The lanes of one shard: of the connections of every `shards`th team."""

    def __init__(
        self,
        open_brokerage: OpenBrokerage,
        *,
        shard: int = 0,
        shards: int = 1,
        linger: float = LONGEST_SECONDS,
        clock: Callable[[], datetime] = timezone.now,
        manners: Manners | None = None,
        beside: Sequence[Callable[[threading.Event], None]] = (),
    ) -> None:
        """`beside`: works in threads of this process until it is told to stop, and may hand orders to the lanes."""
        self.beside = tuple(beside)
        self.open_brokerage = open_brokerage
        self.shard = shard
        self.shards = shards
        self.linger = linger
        self.clock = clock
        self.manners = manners or Manners()
        self.threads = Threads()
        self.shared: Shared
        # What time brings, under way beside the listening.
        self.tidying: asyncio.Task[None]
        self.running: dict[int, Lane] = {}
        # Whose connection it is, of those that were heard of.
        self.teams: dict[int, int] = {}
        # A worker that shuts down says so to its children's tasks, which would otherwise linger.
        self.stop_word = f"{STOP}{os.getppid()}"

    async def run(self) -> bool:
        """Work until idle. False when another worker has this shard already."""
        try:
            async with Locks.opened() as locks:
                if not await locks.take(Space.WORK, self.shard):
                    return False
                self.shared = Shared(
                    open_brokerage=self.open_brokerage,
                    threads=self.threads,
                    locks=locks,
                    clock=self.clock,
                    linger=self.linger,
                    manners=self.manners,
                    looks=looks_of(self.threads, self.clock),
                    answers=answers_of(self.threads),
                )
                self.tidying = asyncio.create_task(asyncio.sleep(0))
                loop = asyncio.get_running_loop()
                try:
                    with lanes_here(lambda reserved: loop.call_soon_threadsafe(self._reserve, reserved)):
                        async with self._company():
                            await self._listen()
                finally:
                    await endings.end([self.tidying])
                    await self._hand_over(locks)
                return True
        finally:
            self.threads.close()

    @contextlib.asynccontextmanager
    async def _company(self) -> AsyncIterator[None]:
        """What works beside the lanes: it ends before they do."""
        stopped = threading.Event()
        threads = [threading.Thread(target=work, args=(stopped,), daemon=True) for work in self.beside]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopped.set()
            with contextlib.suppress(*AWAY):
                # Who waits for news looks up at once.
                await self.threads.run(notify, DECISIONS_CHANNEL)
            for thread in threads:
                await asyncio.to_thread(thread.join, STOP_SECONDS)

    async def _hand_over(self, locks: Locks) -> None:
        """End every lane. The shard is free for the next worker as soon as all lanes but those that hang have ended."""
        stops = [asyncio.create_task(lane.stop()) for lane in self.running.values()]
        if not stops:
            return
        _, hanging = await asyncio.wait(stops, timeout=HANDOVER_SECONDS)
        if hanging:
            with contextlib.suppress(psycopg.OperationalError):
                await locks.free(Space.WORK, self.shard)
            await asyncio.gather(*hanging)

    async def _listen(self) -> None:
        started = quiet_since = time.monotonic()
        tidied_at = -math.inf
        patience = min(TIDY_SECONDS, self.linger)
        async with await psycopg.AsyncConnection.connect(**direct_parameters()) as session:
            await session.execute(f"LISTEN {ORDERS_CHANNEL}")
            # Rows written before we listened are found by looking; notices tell of later ones.
            await self._look()
            while time.monotonic() - started < LONGEST_SECONDS:
                heard = {notice.payload async for notice in session.notifies(timeout=patience, stop_after=1)}
                if heard:
                    # News that came together is looked at once, not once for each.
                    heard |= {notice.payload async for notice in session.notifies(timeout=0)}
                if self.stop_word in heard:
                    return
                await self._hear(heard)
                if heard or not all(lane.done for lane in self.running.values()):
                    quiet_since = time.monotonic()
                elif self.tidying.done() and tidied_at > quiet_since and time.monotonic() - quiet_since > self.linger:
                    return  # What time had made due since then is done, and woke nobody.
                # What time brings is due at the busiest moment too, and holds up nobody who waits for a lane.
                if self.tidying.done() and (not heard or time.monotonic() - tidied_at > TIDY_SECONDS):
                    self.tidying.result()
                    self.tidying = asyncio.create_task(self._tidy())
                    tidied_at = time.monotonic()

    async def _hear(self, payloads: set[str]) -> None:
        """Wake the lanes that these notices name; a notice that names none is about any."""
        named = [payload for payload in payloads if payload and not payload.startswith(STOP)]
        keys = {int(key) for payload in named for key in payload.split(",")}
        await self._wake(sorted(keys))
        if "" in payloads:
            await self._look()

    async def _look(self) -> None:
        """Wake every lane that has something to do."""
        await self._wake(await self.threads.run(agenda.waiting_connections, self.clock()))

    async def _tidy(self) -> None:
        """Once a second: drop lanes that have ended, do what time has made due, look for lost notices."""
        self.running = {key: lane for key, lane in self.running.items() if not lane.done}
        for chore in (unsent.expire_overdue, overdue.end_due, cancels.ask_due, closing.work):
            await self.threads.run(each_alone, (chore,), self.clock)
        with contextlib.suppress(*AWAY):
            await self._look()

    async def _wake(self, connection_pks: list[int]) -> None:
        """Wake the lanes of these connections, as far as they are of this shard's teams."""
        if unknown := [key for key in connection_pks if key not in self.teams]:
            self.teams |= await self.threads.run(connections.teams_of, unknown)
        for key in connection_pks:
            if self.teams.get(key, 0) % self.shards != self.shard:
                continue
            lane = self.running.get(key)
            if lane is None or lane.done:
                lane = self.running[key] = Lane(self.shared, key, team=self.teams.get(key, 0))
            lane.wake.set()

    def _reserve(self, reserved: Reserved) -> None:
        """Ask a lane to keep itself free for an order that is being decided."""
        lane = self.running.get(reserved.connection.pk)
        if lane is None or lane.done or not lane.reserve(reserved):
            reserved.refuse()
