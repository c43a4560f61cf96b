"""One connection watched: signed in, its feed followed, its book read, its pauses kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.conf import settings

from accounts.loops import endings
from brokers.connections import connections, sessions, user_accounts
from brokers.connections.connections import Identity
from brokers.domain.brokerage import (
    BrokerError,
    LoginRefused,
)
from brokers.domain.session.states import State
from brokers.domain.sessions import Cause, SessionStatus
from brokers.models import BrokerageAccount, Connection
from brokers.postgres.away import AWAY
from brokers.postgres.locks import Space
from brokers.postgres.threads import TEAM
from brokers.processes.signing_in import NotSignedIn, SigningIn, as_answer
from brokers.processes.watching.book import Book
from brokers.processes.watching.listening import Listening
from brokers.processes.watching.openings import Openings
from brokers.processes.watching.station import Errands, Station
from brokers.processes.watching.tending import SignedIn, Tending

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

LEAST_PAUSE = 0.02  # between two looks at a session that is due to be looked at
FIRST_PAUSE = 0.05  # after the feed ended while the session is open; longer each time, until it stays for a while
LONGEST_PAUSE = 30.0
SETTLED_SECONDS = 10.0
BLIND_SECONDS = 1.5  # without a feed the session is looked at this often
# Whether these may trade is told by their accounts.
UNPROVED = {
    str(each)
    for each in (
        SessionStatus.REFUSED,
        SessionStatus.PENDING,
        SessionStatus.REVOKED,
        SessionStatus.NOT_OPENED,
        SessionStatus.CERTIFICATE_REFUSED,
    )
}
# Keys or access that IBKR does not take: it is asked every half hour and no more often.
NOT_TAKEN = {str(SessionStatus.PENDING), str(SessionStatus.REVOKED)}


class Watch:
    """One connection: its session, its feed, its book."""

    def __init__(
        self, keeper: Station, connection_pk: int, identity: Identity, openings: Openings | None = None
    ) -> None:
        self.keeper = keeper
        # Where many begin together, it begins when its turn comes, and says when that is over.
        self.openings = openings
        self.end_turn: Callable[[], None] = _nothing
        self.pk = connection_pk
        self.identity = identity
        self.errands = Errands()
        self.book = Book(keeper, connection_pk, self.errands)
        self.asked = SignedIn()
        # The stream that is followed now.
        self.listening: Listening | None = None
        self.flaps = FIRST_PAUSE
        self.pressing = LEAST_PAUSE
        self.cause = Cause.LOOK
        self.task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        await endings.end([self.task])

    async def _db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.keeper.threads.run(function, *args, **kwargs)

    async def _run(self) -> None:
        if self.openings is not None:
            self.end_turn = await self.openings.turn()
        try:
            await self._rounds()
        finally:
            self.end_turn()

    async def _rounds(self) -> None:
        while True:
            wait = LONGEST_PAUSE
            try:
                wait = await self._round()
            except Exception:
                log.exception("Connection %s: its watch failed and starts again", self.pk)
            self.end_turn()
            # Everybody's gateway comes back at the same second; not everybody need knock in it.
            self.errands.wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait * random.uniform(1.0, 1.3)):
                    await self.errands.wake.wait()
            if self.pk not in self.keeper.in_use:
                # After a cut all come back together: those that are open already must not be lost for them.
                await self.keeper.openings.keeps_up()

    async def _round(self) -> float:
        """Look at the session and follow it until it ends; returns the seconds after which to begin again."""
        connection = await self._db(Connection.objects.get, pk=self.pk)
        TEAM.set(connection.team_id)
        if (early := self._early(connection)) > 0:
            return early
        self.login = connections.login_of(connection)
        self.broker = self.book.broker = self.keeper.open_brokerage(self.login)
        self.session = SigningIn(
            connection_pk=self.pk, broker=self.broker, threads=self.keeper.threads, clock=self.keeper.clock
        )
        began = time.monotonic()
        try:
            await self._wait_paused(connection)
            await self._follow(connection)
        except NotSignedIn as lost:
            return self._until(lost.state)
        except BrokerError as error:
            # What this call met is one thing, what the session is another.
            state = await self._after(connection, error)
            return await self._bide(began) if state.can_trade else self._until(state)
        else:
            return await self._bide(began)
        finally:
            await self.broker.close()

    def _early(self, connection: Connection) -> float:
        """Seconds before IBKR may be asked again for keys that it did not take, however often this process begins."""
        now = self.keeper.clock()
        due = sessions.state_of(connection, now).next_try_at
        return 0.0 if due is None or connection.session_status not in NOT_TAKEN else (due - now).total_seconds()

    async def _bide(self, began: float) -> float:
        """Before the feed is opened again; meanwhile nobody but us sees what becomes of the session."""
        if time.monotonic() - began > SETTLED_SECONDS:
            self.flaps = FIRST_PAUSE
        if self.flaps == FIRST_PAUSE and self.cause is not Cause.STREAM:
            await self._db(sessions.stream_ended, self.pk, self.keeper.clock())
        wait, self.flaps = self.flaps, min(self.flaps * 2, LONGEST_PAUSE)
        over_at = time.monotonic() + wait * random.uniform(0.8, 1.2)
        while (left := over_at - time.monotonic()) > 0:
            await asyncio.sleep(min(left, BLIND_SECONDS))
            if left > BLIND_SECONDS and not (state := await self.session.look(Cause.LOOK, check=self._prove)).can_trade:
                return self._until(state)
        return 0.0

    async def _after(self, connection: Connection, error: BrokerError) -> State:
        if as_answer(error):
            return await self._db(sessions.seen, self.pk, error, self.keeper.clock())
        log.info("Connection %s: %s", self.pk, error)
        return await self.session.look(Cause.LOOK, check=self._prove)

    def _until(self, state: State) -> float:
        """Seconds until the next look is due."""
        if state.next_try_at is None:
            return 1.0
        # What is due and cannot be done (a lane has the lock) is tried less and less often, once a second in the end.
        least, self.pressing = self.pressing, min(1.0, 2 * self.pressing)
        return max(least, (state.next_try_at - self.keeper.clock()).total_seconds())

    async def _wait_paused(self, connection: Connection) -> None:
        """While its gateway is left alone, nothing but the tickle that keeps the session leaves."""
        while (paused := self.broker.pause()) is not None:
            await self._db(sessions.failed, connection, paused, self.keeper.clock())
            with contextlib.suppress(BrokerError):
                await self.broker.tickle()
            await asyncio.sleep(min(settings.KEEP_SECONDS, paused.retry_after or 0.1))

    async def _follow(self, connection: Connection) -> None:
        """From sign-in to the end of the feed."""
        await self._sign_in(connection)
        accounts = await self._accounts(connection)
        feed = self.keeper.open_feed(self.login)
        listening = Listening(self.book, connection, self.session, self._prove, feed)
        tending = Tending(listening, self.login, self.asked)
        try:
            await tending.note_sign_in()
            listening.account_ids = tuple(account.account_id for account in accounts)
            self.listening = listening
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(listening.read_feed())
                # The feed is open before the first full read, so that nothing falls between the two.
                await listening.unless_lost(self.book.read_all(connection, accounts))
                self.end_turn()
                timers = tasks.create_task(tending.tend(accounts))
                books = tasks.create_task(listening.read_books(accounts))
                if await listening.apply_news():
                    self.cause = Cause.STREAM
                await endings.end([timers, books, reader])
        except BaseExceptionGroup as group:
            # One fault ends the watch; what says most about the session comes first.
            for kind in (NotSignedIn, LoginRefused, BrokerError):
                for problem in group.exceptions:
                    if isinstance(problem, kind):
                        raise problem from group
            raise group.exceptions[0] from group
        finally:
            self.listening = None
            self.book.tellers.forget()
            # A database that is away is not in the way of who ends it: the row is told with the next opening.
            with contextlib.suppress(*AWAY):
                await self._db(sessions.stream_closed, self.pk)
            await feed.close()

    async def _sign_in(self, connection: Connection) -> None:
        state = await self.session.look(self.cause, check=self._prove)
        self.cause = Cause.LOOK
        # Keys that IBKR does not take open nothing, and are not to be asked about twice.
        if not state.can_trade and state.status not in NOT_TAKEN:
            async with self.keeper.locks.only_one(Space.CONNECTION, self.pk) as held:
                # A lane that holds the lock signs in by itself.
                if held:
                    state = await self.session.sign_in(Cause.LOOK, check=self._prove)
        if not state.can_trade:
            raise NotSignedIn(state)
        self.pressing = LEAST_PAUSE

    async def _prove(self) -> None:
        """A login that turns out to be another one than it was connected as must not trade for a moment either."""
        await self._accounts(await self._db(Connection.objects.get, pk=self.pk))

    def _unproved(self, connection: Connection) -> bool:
        """Whether the accounts have to tell whose session it is."""
        return connection.session_status in UNPROVED or sessions.may_be_another(connection, self.keeper.clock())

    async def _accounts(self, connection: Connection) -> list[BrokerageAccount]:
        # Without those that IBKR no longer shows since the connection has another user.
        known = await self._db(lambda: list(connection.accounts.exclude(capabilities_as_of=None)))
        if not self._unproved(connection) and user_accounts.are_known(connection, known, self.keeper.clock()):
            return known
        return await self.session.accounts(connection)


def _nothing() -> None:
    """Nobody waits for this one."""
