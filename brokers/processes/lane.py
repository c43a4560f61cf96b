"""One connection's lane: signs in, then works what waits, under the connection's lock."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from brokers.connections import sessions
from brokers.connections.connections import Identity, identity_of, login_of
from brokers.domain.brokerage import BrokerError, Paused
from brokers.domain.sessions import Cause
from brokers.models import Connection
from brokers.orders import unsent
from brokers.orders.modifications import overdue
from brokers.orders.together.handing import Reserved
from brokers.postgres.away import AWAY
from brokers.postgres.locks import Space
from brokers.postgres.threads import TEAM
from brokers.processes import agenda, between, looks, previews, prices, replies, unasked, what_ifs, writes
from brokers.processes.agenda import Agenda
from brokers.processes.beside.errand import Errand
from brokers.processes.beside.groups import Groups
from brokers.processes.beside.looking_up import LookingUp
from brokers.processes.handed.serving import send_reserved
from brokers.processes.handed.shared import Shared
from brokers.processes.options import chains
from brokers.processes.signing_in import SigningIn
from brokers.processes.wire import Wire
from brokers.processes.writes import RETRY_SECONDS
from brokers.whatif import asking

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

LANE_LINGER_SECONDS = 120.0  # an idle lane keeps its connection to the broker open for this long
STOP_SECONDS = 28.0  # a write takes 25 seconds at the most


class Lane:
    """One connection's way to its broker."""

    def __init__(self, shared: Shared, connection_pk: int, *, team: int = 0) -> None:
        self.shared = shared
        self.pk = connection_pk
        self.team = team
        self.wake = asyncio.Event()
        self.stopping = asyncio.Event()
        self.wire: Wire | None = None
        self.shown: Identity | None = None
        self.looked_back = False
        # The kind of question that is asked first the next time.
        self.owed: Callable[[Wire], Awaitable[bool]] | None = None
        # The moment, of the clock of manners, at which it has rested from what it did last.
        self.rested = 0.0
        self.lists, self.readings = (Errand(self.wake, self._or_retry) for _ in range(2))
        self.looking, self.groups = LookingUp(self.lists), Groups(self.readings)
        # Waits for work, so that it may be reserved for an order that is being decided; what it does for that.
        self.idle = False
        self.serving: asyncio.Task[None] | None = None
        self.served = 0
        self.task = asyncio.create_task(self._run())

    @property
    def done(self) -> bool:
        return self.task.done()

    async def stop(self) -> None:
        """Let a write in progress finish and be written down, then end."""
        self.stopping.set()
        self.wake.set()
        await asyncio.wait([self.task], timeout=STOP_SECONDS)

    async def _run(self) -> None:
        TEAM.set(self.team)
        try:
            while await self._woken():
                await self._let_others()
                self.wake.clear()
                if wait := await self._work_politely(self._work()):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(wait):
                            await self.wake.wait()
                    self.wake.set()
        finally:
            if self.serving is not None:
                self.serving.cancel()
            await self._stop_beside()
            if self.wire is not None:
                await self.wire.broker.close()

    async def _woken(self) -> bool:
        """Wait for work; False once the lane is to end, or nothing has come for so long that it is not worth its while."""
        is_idle = False
        while not is_idle and not self.wake.is_set():
            served, self.idle = self.served, True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self.shared.linger, LANE_LINGER_SECONDS)):
                    await self.wake.wait()
            self.idle = False
            if self.serving is not None:
                await asyncio.wait([self.serving])
            # A lane that orders were handed to meanwhile has not been idle.
            is_idle = self.lists.is_over and self.readings.is_over and served == self.served
        return self.wake.is_set() and not self.stopping.is_set()

    def reserve(self, reserved: Reserved) -> bool:
        """Take the lock for an order that is being decided, and send it without another look; False where anything else is
        to be done, or has to be found out first."""
        manners, wire = self.shared.manners, self.wire
        now = manners.clock()
        busy = not self.idle or self.wake.is_set() or self.stopping.is_set() or self.serving is not None
        if busy or not self.lists.is_over or wire is None or not self.looked_back or wire.broker.pause() is not None:
            return False
        if self.shown != identity_of(reserved.connection) or manners.wait(
            self.team, now, asked=now, rested=self.rested
        ):
            return False
        self.serving = asyncio.create_task(self._serve(reserved, wire))
        return True

    async def _serve(self, reserved: Reserved, wire: Wire) -> None:
        TEAM.set(self.team)
        try:
            if wait := await self._work_politely(send_reserved(reserved, wire, self.shared.locks)):
                # What could not leave is looked at again.
                asyncio.get_running_loop().call_later(wait, self.wake.set)
        finally:
            reserved.refuse()
            self.serving, self.served = None, self.served + 1

    async def _stop_beside(self) -> None:
        """End what is read beside the lane's work."""
        await self.lists.stop()
        await self.readings.stop()

    async def _db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.shared.threads.run(function, *args, **kwargs)

    async def _let_others(self) -> None:
        """A team that does much rests before it looks again, unless a way out or a cancel is to leave."""
        manners = self.shared.manners
        now = manners.clock()
        if manners.wait(self.team, now, asked=now, rested=self.rested) and not await self._has_ways_out():
            await manners.let_others(self.team, rested=self.rested)

    async def _has_ways_out(self) -> bool:
        """Also where the database cannot tell: the look itself finds out."""
        try:
            return await self._db(between.has_ways_out, self.pk, self.shared.clock())
        except AWAY:
            return True

    async def _work_politely(self, work: Awaitable[float]) -> float:
        """Work, seen by those who let this team go first; returns as `_or_retry` does."""
        manners = self.shared.manners
        began = manners.clock()
        with manners.at_work(self.team):
            wait = await self._or_retry(work)
        ended = manners.clock()
        self.rested = ended + (ended - began)
        return wait

    async def _or_retry(self, work: Awaitable[float]) -> float:
        """Survive what fails in some work; returns the seconds after which to look again, 0 for "when woken"."""
        try:
            return await work
        except BrokerError as error:
            log.warning("Connection %s: %s", self.pk, error)
            # The next round looks at the session before anything leaves.
            await self._db(sessions.doubted, self.pk)
        except AWAY as error:
            log.warning("Connection %s: the database is away: %s", self.pk, error)
        except Exception:
            log.exception("Connection %s: its lane failed and goes on", self.pk)
        return RETRY_SECONDS

    async def _work(self) -> float:
        """Everything that can be done now; returns the seconds after which to look again, 0 for "when woken"."""
        async with self.shared.locks.only_one(Space.CONNECTION, self.pk) as held:
            if not held:
                return 0.05
            pause = self.wire.broker.pause() if self.wire is not None else None
            clock = self.shared.clock
            todo = await self.shared.looks.ask(self.pk) if pause is None else None
            if todo is None:
                todo = await self._db(
                    agenda.look, self.pk, clock(), back=not self.looked_back, paused=pause is not None, clock=clock
                )
            # Holding the lock proved that the worker that left these orders open is gone.
            self.looked_back = True
            connection = todo.connection
            if self.wire is not None and pause is not None:
                return await self._work_paused(self.wire, todo, pause)
            if todo.what_ifs and not todo.believed_active and await self._only_asked(connection):
                return 0
            wire = await self._signed_in(connection, believed=todo.believed_active) if connection.enabled else None
            if wire is None:
                return await self._expire(connection)
            if not todo.believed_active:
                # Nothing was taken up before the session was looked at: what waits leaves now, before anything is asked.
                todo = await self._db(
                    agenda.look, self.pk, clock(), back=False, paused=wire.broker.pause() is not None, clock=clock
                )
            asked = await replies.answer_prompts(wire, connection) if todo.prompts else set()
            if (wait := await writes.send_orders(wire, connection, todo.job)) is not None:
                return wait
            refused = asked | await self._cancel(wire, todo)
            if todo.tells:
                await unasked.tell(wire)
            if todo.changes:
                refused |= await writes.change_orders(wire, connection)
            # Beside the rest: IBKR's lists make one wait for their turn.
            self.looking.begin(wire, todo, refused)
            await self._ask(wire, todo)
            if not todo.believed_active or todo.comes_first:
                # What the look did not take up, because these had to come first.
                self.wake.set()
        return 0

    async def _ask(self, wire: Wire, todo: Agenda) -> None:
        """Ask what is wanted, and break off between two questions once something is to leave.

        Each time one question is asked at least; the kind that had no turn has the first one the next time.
        """
        # Looks before the rest: every decision needs its account.
        asks = [(todo.looks, looks.answer), (todo.lookups, prices.answer_lookups), (todo.prices, prices.answer_prices)]
        wanted = [ask for is_wanted, ask in asks if is_wanted]
        if self.owed in wanted:
            first = wanted.index(self.owed)
            wanted = wanted[first:] + wanted[:first]
        self.owed = None
        for number, ask in enumerate(wanted):
            if number and await between.gives_way(wire):
                self.owed = ask
                return
            if not await ask(wire):
                self.owed = wanted[(number + 1) % len(wanted)]
                return
        # These make way by themselves.
        if todo.previews:
            await previews.answer_next(wire)
        if todo.asking:
            await what_ifs.ask_first(wire)
        if todo.what_ifs:
            await what_ifs.answer_next(wire)
        if todo.groups:
            await self.groups.answer(wire)
        if todo.borrows:
            await prices.answer_borrow(wire)
        if todo.chains:
            await chains.warm_next(wire)

    async def _only_asked(self, connection: Connection) -> bool:
        """End the what-ifs, since nobody signs in for one; whether nothing else waits."""
        await self._db(asking.give_up, connection, self.shared.clock())
        return not await self._db(agenda.has_work, self.pk, self.shared.clock())

    async def _cancel(self, wire: Wire, todo: Agenda) -> set[str]:
        """Ask for cancels; returns the accounts in which IBKR has refused one."""
        refused = await writes.send_cancels(wire) if todo.cancels else set()
        if todo.foreign_cancels:
            await writes.send_foreign_cancels(wire)
        return refused

    async def _work_paused(self, wire: Wire, todo: Agenda, pause: Paused) -> float:
        """Cancels have a way through while the gateway is left alone; the rest waits, or is too late."""
        await self._db(sessions.failed, todo.connection, pause, self.shared.clock())
        if todo.what_ifs:
            await self._db(asking.give_up, todo.connection, self.shared.clock(), str(pause), pause.code)
        if todo.connection.enabled:
            await self._cancel(wire, todo)
        return await self._expire(todo.connection)

    async def _expire(self, connection: Connection) -> float:
        """End what is too late, as nothing can leave now."""
        await self._db(unsent.expire_overdue, self.shared.clock(), self.pk)
        await self._db(overdue.end_due, self.shared.clock(), self.pk)
        waiting = connection.enabled and await self._db(agenda.has_work, self.pk, self.shared.clock())
        return RETRY_SECONDS if waiting else 0

    async def _signed_in(self, connection: Connection, *, believed: bool) -> Wire | None:
        """The way to the broker, with a session that may trade; None when there is none."""
        if self.wire is not None and self.shown != identity_of(connection):
            # Its user, its address or what its proxy is shown has changed.
            await self._stop_beside()
            await self.wire.broker.close()
            self.wire = None
        if self.wire is None:
            self.shown = identity_of(connection)
            self.wire = Wire(
                connection_pk=self.pk,
                broker=self.shared.open_brokerage(login_of(connection)),
                threads=self.shared.threads,
                clock=self.shared.clock,
                wake=self.wake,
                stopping=self.stopping,
                team=self.team,
                manners=self.shared.manners,
                answers=self.shared.answers,
            )
        if believed:
            return self.wire
        if not await self._db(sessions.may_try, connection, self.shared.clock()):
            return None
        session = SigningIn(
            connection_pk=self.pk, broker=self.wire.broker, threads=self.shared.threads, clock=self.shared.clock
        )
        state = await session.sign_in(Cause.ORDER, check=session.prove)
        return self.wire if state.can_trade else None
