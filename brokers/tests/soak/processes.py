"""The two processes of a world, inside the test: lanes and watches that can be killed at any moment.

A kill ends its tasks and keeps whatever they were about to write from the database, as the end of a process does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from accounts.loops import endings
from brokers import ibkr
from brokers.book import in_use
from brokers.connections.connections import identity_of
from brokers.connections.tokens import Shelves
from brokers.domain.brokerage import Brokerage
from brokers.domain.session.feed import Feed
from brokers.domain.sessions import Login
from brokers.ibkr.pacing import Egress
from brokers.models import Connection
from brokers.orders import closing
from brokers.orders.together.handing import Reserved
from brokers.postgres.locks import Locks
from brokers.postgres.threads import Threads
from brokers.postgres.together import Item, Result, Together
from brokers.processes.handed.shared import Shared, answers_of, looks_of
from brokers.processes.lane import Lane
from brokers.processes.lanes import Lanes
from brokers.processes.stream import _due
from brokers.processes.watching.in_flight import InFlight
from brokers.processes.watching.kept import Kept
from brokers.processes.watching.openings import Openings
from brokers.processes.watching.station import brought
from brokers.processes.watching.watch import Watch
from brokers.tests.soak import clock

P = ParamSpec("P")
T = TypeVar("T")
_WRITES_AND_READS = {"submit", "reply", "modify", "cancel", "orders", "executions"}


class Fate:
    """How many moments a process has left; a moment is a question to the database or to IBKR that begins or ends."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.dead = False
        # All that the process does.
        self.task: asyncio.Task[None] | None = None

    def die_in(self, moments: int) -> None:
        self.left = moments
        if moments <= 0:
            self._die()

    def _die(self) -> None:
        self.dead = True
        if self.task is not None:
            self.task.cancel()

    def meet(self) -> None:
        """End the task where its process is dead, or dies now."""
        if self.left is not None and not self.dead:
            self.left -= 1
            if self.left <= 0:
                self._die()
        if self.dead:
            raise asyncio.CancelledError("killed")

    async def pass_through(self, question: Callable[[], Awaitable[T]]) -> T:
        self.meet()
        answer = await question()
        self.meet()
        return answer


class MortalThreads(Threads):
    """The threads of a process that may be killed."""

    def __init__(self, threads: Threads, fate: Fate) -> None:
        self.shared, self.fate = threads, fate

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        ask = self.shared.run
        return await self.fate.pass_through(lambda: ask(function, *args, **kwargs))


class MortalTogether(Together[Item, Result]):
    """What a lane asks for together with others, which go on when it is killed."""

    def __init__(self, together: Together[Item, Result], fate: Fate) -> None:
        self.shared, self.fate = together, fate

    async def ask(self, item: Item) -> Result:
        return await self.fate.pass_through(lambda: self.shared.ask(item))


class MortalBroker:
    """The broker of a process that may be killed, on its way to IBKR and back."""

    def __init__(self, broker: Brokerage, fate: Fate) -> None:
        self._broker, self._fate = broker, fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._broker, name)
        if name not in _WRITES_AND_READS:
            return method

        async def asked(*args: Any, **kwargs: Any) -> Any:
            return await self._fate.pass_through(lambda: method(*args, **kwargs))

        return asked


class Ways:
    """How processes reach IBKR: by one address and one pace, which in production they share through Valkey."""

    def __init__(self, http: Any) -> None:
        self.http, self.shelves = http, Shelves()
        self.egress = Egress(asyncio.get_running_loop().time)

    def broker(self, login: Login, fate: Fate) -> Brokerage:
        made = ibkr.connect(login, self.http, egress=self.egress, shelf=self.shelves.of(login))
        return MortalBroker(made, fate)

    def feed(self, login: Login, /) -> Feed:
        return ibkr.listen(login, self.http, egress=self.egress, shelf=self.shelves.of(login))


class Worker:
    """The lanes of all connections, each with a fate of its own."""

    def __init__(self, ways: Ways, locks: Locks, threads: Threads) -> None:
        self.ways, self.locks, self.threads = ways, locks, threads
        self.looks, self.answers = looks_of(threads, clock.moment), answers_of(threads)
        self.lanes = _Lanes(self)
        self.fates: dict[int, Fate] = {}
        # Lanes of a worker that has lost its database, which end what they are at.
        self.old: list[asyncio.Task[None]] = []

    def begin(self, key: int) -> None:
        """A lane that knows nothing but the rows."""
        fate = self.fates[key] = Fate()
        shared = Shared(
            open_brokerage=lambda login: self.ways.broker(login, fate),
            threads=MortalThreads(self.threads, fate),
            locks=self.locks,
            clock=clock.moment,
            linger=1e9,
            looks=MortalTogether(self.looks, fate),
            answers=MortalTogether(self.answers, fate),
        )
        lane = self.lanes.running[key] = Lane(shared, key)
        fate.task = lane.task
        lane.wake.set()

    def wake(self, key: int) -> None:
        """Wake a lane; one that has ended begins anew, as with the next task of a worker."""
        if key not in self.fates:
            return
        lane = self.lanes.running.get(key)
        if lane is None or lane.done or self.fates[key].dead:
            self.begin(key)
        else:
            lane.wake.set()

    def reserve(self, reserved: Reserved) -> None:
        """Ask a lane to keep itself free for an order whose ticket is being opened."""
        key = reserved.connection.pk
        if key not in self.fates or self.fates[key].dead:
            reserved.refuse()
        else:
            self.lanes._reserve(reserved)

    async def leave(self, key: int) -> None:
        """End a lane for good."""
        self.fates.pop(key)
        if (lane := self.lanes.running.pop(key, None)) is not None:
            await ended(lane.task)

    async def look(self) -> None:
        """What the lanes do every few seconds, where no notice wakes them."""
        await self.lanes._tidy()

    async def lose_the_database(self, locks: Locks) -> None:
        """What the product's worker does then: each lane ends what it is at, and another worker begins."""
        self.locks = locks
        for key, lane in list(self.lanes.running.items()):
            lane.stopping.set()
            lane.wake.set()
            self.old.append(lane.task)
            if key in self.fates:
                self.begin(key)

    async def end(self) -> None:
        for task in [*self.old, *(lane.task for lane in self.lanes.running.values())]:
            await ended(task)


class _Lanes(Lanes):
    """The product's lanes of a shard, which begin here."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(lambda login: worker.ways.broker(login, Fate()), clock=clock.moment)
        self.threads.close()
        self.threads, self.worker = worker.threads, worker

    async def _wake(self, connection_pks: list[int]) -> None:
        for key in connection_pks:
            self.worker.wake(key)


class Station:
    """What a watch of its own process has."""

    def __init__(self, ways: Ways, locks: Locks, threads: Threads, in_flight: InFlight) -> None:
        self.in_use: frozenset[int] = frozenset()
        self.openings = Openings()
        self.brought = brought()
        self.kept = Kept(threads)
        self.fate = Fate()
        self.threads: Threads = MortalThreads(threads, self.fate)
        self.locks = locks
        self.clock = clock.moment
        self.in_flight = in_flight
        self.open_brokerage = lambda login: ways.broker(login, self.fate)
        self.open_feed = ways.feed


class Stream:
    """The watches of all connections."""

    def __init__(self, ways: Ways, locks: Locks, threads: Threads) -> None:
        self.ways, self.locks, self.threads = ways, locks, threads
        self.in_flight = InFlight(threads, self._wake)
        self.beat = asyncio.create_task(self.in_flight.run())
        self.stations: dict[int, Station] = {}
        self.watches: dict[int, Watch] = {}
        self.over: set[int] = set()

    async def begin(self, key: int) -> None:
        identity = await self.threads.run(lambda: identity_of(Connection.objects.get(pk=key)))
        if key in self.over:
            return
        station = self.stations[key] = Station(self.ways, self.locks, self.threads, self.in_flight)
        self.watches[key] = Watch(station, key, identity)
        station.fate.task = self.watches[key].task

    async def look(self) -> None:
        """What the stream process does every few seconds."""
        for key, watch in list(self.watches.items()):
            if key not in self.over and (watch.task.done() or self.stations[key].fate.dead):
                await ended(watch.task)
                await self.begin(key)
        due = await self.threads.run(_due, clock.moment()) & self.watches.keys()
        for key in due:
            self.watches[key].errands.due = True
        self._wake(due)
        used = await self.threads.run(in_use.connections)
        for station in self.stations.values():
            station.in_use = used
        for key, accounts in (await self.threads.run(closing.accounts_to_read, clock.moment())).items():
            if key in self.watches:
                self.watches[key].errands.dirty |= accounts
                self._wake([key])

    async def leave(self, key: int) -> None:
        """End a watch for good."""
        self.over.add(key)
        self.stations.pop(key)
        await ended(self.watches.pop(key).task)

    def _wake(self, keys: Iterable[int]) -> None:
        for key in keys:
            if key in self.watches:
                self.watches[key].errands.wake.set()

    async def lose_the_database(self, locks: Locks) -> None:
        """What the product's stream process does then: all watches end, and begin anew."""
        self.locks = locks
        for key, watch in list(self.watches.items()):
            await ended(watch.task)
            # Whose story is over has left meanwhile.
            if key in self.watches:
                await self.begin(key)

    async def end(self) -> None:
        await ended(self.beat)
        for watch in self.watches.values():
            await ended(watch.task)


async def ended(task: asyncio.Task[Any]) -> None:
    await endings.end([task])
