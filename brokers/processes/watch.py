"""One connection watched: signed in, its feed followed, its book read, its pauses kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ParamSpec, Protocol, TypeVar

from django.conf import settings

from brokers.book import holdings
from brokers.connections import connections, nights, sessions
from brokers.connections.connections import Identity
from brokers.domain.brokerage import (
    BrokerError,
    ExecutionFacts,
    Feed,
    FeedEvent,
    LoginRefused,
    OpenBrokerage,
    OpenFeed,
    OrderFacts,
    Paused,
)
from brokers.domain.session.states import State
from brokers.domain.sessions import Cause, Environment, SessionStatus
from brokers.models import BrokerageAccount, Connection
from brokers.orders import closing
from brokers.orders.reconciliation import Applied
from brokers.postgres.locks import Locks, Space
from brokers.postgres.threads import Threads
from brokers.processes.in_flight import InFlight
from brokers.processes.kept import Kept
from brokers.processes.news import FACTS_AT_ONCE, News, facts_in
from brokers.processes.signing_in import NotSignedIn, SigningIn, as_answer
from brokers.protection import home, rounds

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

SILENT_SECONDS = 5.0  # orders at the broker, and no news of them for this long: ask
MOST_READS = 12  # of executions that IBKR does not show
GATHER_SECONDS = 0.015
BOOK_PAUSE_SECONDS = 0.2  # ... and after fills, at once but not more often than this
BOOK_SECONDS = 30.0  # positions and money of an account in use are read at least this often
IDLE_BOOK_SECONDS = 300.0  # ... and where nothing is held, nothing works and nobody trades
FIRST_PAUSE = 0.05  # after the feed ended while the session is open; longer each time, until it stays for a while
LONGEST_PAUSE = 30.0
SETTLED_SECONDS = 10.0
SIGN_IN_SECONDS = 90.0  # IBKR answers what it knows of the login itself once a minute
# Sessions that were opened together, or waited for the same pause, do not stay in step.
KEEP_JITTER = 0.9, 1.1
SIGN_IN_WAIT_SECONDS = 5.0
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


class Station(Protocol):
    """What the watches of a process share."""

    open_brokerage: OpenBrokerage
    open_feed: OpenFeed
    threads: Threads
    locks: Locks
    clock: Callable[[], datetime]
    in_flight: InFlight
    in_use: frozenset[int]
    kept: Kept


class Watch:
    """One connection: its session, its feed, its book."""

    def __init__(self, keeper: Station, connection_pk: int, identity: Identity) -> None:
        self.keeper = keeper
        self.pk = connection_pk
        self.identity = identity
        self.dirty: set[int] = set()
        # Orders that have filled and whose executions are not here, and how often they were asked for.
        self.unread: set[int] = set()
        self.reads = 0
        self.news_at = 0.0
        self.book_at = 0.0
        self.heard_at: datetime | None = None
        # When stops are to be looked at again, although nothing was heard.
        self.look_at: float | None = None
        self.flaps = FIRST_PAUSE
        self.cause = Cause.LOOK
        self.sign_in_at = -SIGN_IN_SECONDS
        # A look at the session is due by its row, which somebody may have brought forward.
        self.due = False
        # Set when there is something to do before the time that the watch sleeps for.
        self.wake = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def _db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.keeper.threads.run(function, *args, **kwargs)

    async def _run(self) -> None:
        while True:
            wait = LONGEST_PAUSE
            try:
                wait = await self._round()
            except Exception:
                log.exception("Connection %s: its watch failed and starts again", self.pk)
            # Everybody's gateway comes back at the same second; not everybody need knock in it.
            self.wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), wait * random.uniform(1.0, 1.3))

    async def _round(self) -> float:
        """From a look at the session to whatever ends it; returns the seconds after which to begin again."""
        connection = await self._db(Connection.objects.get, pk=self.pk)
        if (early := self._early(connection)) > 0:
            return early
        self.login = connections.login_of(connection)
        self.broker = self.keeper.open_brokerage(self.login)
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
        return max(0.02, (state.next_try_at - self.keeper.clock()).total_seconds())

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
        await self._note_sign_in(connection)
        feed, self.heard_at = self.keeper.open_feed(self.login), None
        news = News()
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read_feed(feed, news))
                # The feed is open before the first full read, so that nothing falls between the two.
                await self._unless_lost(connection, news, self._read_all(connection, accounts))
                timers = tasks.create_task(self._tend(connection, accounts))
                await self._apply_news(connection, accounts, news)
                timers.cancel()
                reader.cancel()
        except BaseExceptionGroup as group:
            # One fault ends the watch; what says most about the session comes first.
            for kind in (NotSignedIn, LoginRefused, BrokerError):
                for problem in group.exceptions:
                    if isinstance(problem, kind):
                        raise problem from group
            raise group.exceptions[0] from group
        finally:
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

    async def _note_sign_in(self, connection: Connection) -> None:
        """Where IBKR serves this user and since when somebody is signed in: a person's gateway knows, once a minute."""
        simulated = connection.environment == Environment.SIMULATED
        now = time.monotonic()
        if simulated or not nights.signs_in_by_hand(connection) or now - self.sign_in_at < SIGN_IN_SECONDS:
            return
        self.sign_in_at = now
        # What it says is worth no wait: the pace may hold it back for a minute.
        with contextlib.suppress(BrokerError, TimeoutError):
            seen = await asyncio.wait_for(self.broker.sign_in(), SIGN_IN_WAIT_SECONDS)
            await self._db(nights.sign_in_seen, self.pk, seen)

    async def _prove(self) -> None:
        """A login that turns out to be another one than it was connected as must not trade for a moment either."""
        await self._accounts(await self._db(Connection.objects.get, pk=self.pk))

    def _unproved(self, connection: Connection) -> bool:
        """Whether the accounts have to tell whose session it is."""
        return connection.session_status in UNPROVED or sessions.may_be_another(connection)

    async def _accounts(self, connection: Connection) -> list[BrokerageAccount]:
        # Without those that IBKR no longer shows since the connection has another user.
        known = await self._db(lambda: list(connection.accounts.exclude(capabilities_as_of=None)))
        if not self._unproved(connection) and connections.are_known(connection, known, self.keeper.clock()):
            return known
        return await self.session.accounts(connection)

    async def _read_all(self, connection: Connection, accounts: list[BrokerageAccount]) -> None:
        for account in accounts:
            await self._sync(connection, account)
            await self._refresh(account)

    async def _sync(self, connection: Connection, account: BrokerageAccount) -> None:
        """Orders and executions as the broker shows them now. The first read of a session may be empty: read twice."""
        asked_at = self.keeper.clock()
        reply = await self.broker.orders(account.account_id)
        if not reply.complete:
            asked_at = self.keeper.clock()
            reply = await self.broker.orders(account.account_id)
        fills = await self.broker.executions(account.account_id)
        self.news_at = time.monotonic()
        await self._bring_home(connection, reply.orders, fills)
        if reply.complete:
            await self._db(home.note_list, connection, account.account_id, reply.orders, asked_at)

    async def _bring_home(
        self, connection: Connection, orders: Sequence[OrderFacts], fills: Sequence[ExecutionFacts]
    ) -> None:
        brought = await self._db(home.bring, connection, orders=orders, executions=fills, now=self.keeper.clock())
        self._note_fills(brought.applied)
        if brought.again_at is not None:
            wait = (brought.again_at - self.keeper.clock()).total_seconds()
            self.look_at = time.monotonic() + max(wait, 0.0)
            self.wake.set()

    def _note_fills(self, applied: Applied) -> None:
        """Remember what has filled without its executions, which are asked for where the feed does not bring them."""
        self.dirty |= applied.accounts
        self.unread = (self.unread | applied.ahead) - applied.caught_up
        if applied.ahead:
            self.reads = 0
            self.wake.set()

    async def _refresh(self, account: BrokerageAccount) -> None:
        as_of, self.book_at = self.keeper.clock(), time.monotonic()
        if self.broker.pause() is not None:
            self.dirty.add(account.pk)
            return
        closes = account.pk in self.dirty or self.pk in self.keeper.in_use
        self.dirty.discard(account.pk)
        try:
            positions = await self.broker.positions(account.account_id)
            summary = await self.broker.summary(account.account_id)
        except Paused:
            self.dirty.add(account.pk)
            raise
        await self._db(holdings.refresh, account, positions=positions, summary=summary, as_of=as_of)
        self.book_at = time.monotonic()
        if closes:
            await self._db(closing.work, self.keeper.clock())
            await self._db(rounds.look_through, account, self.keeper.clock())

    async def _apply_news(self, connection: Connection, accounts: list[BrokerageAccount], news: News) -> None:
        """Bring home what the feed says, everything that has gathered in one transaction."""
        by_pk = {account.pk: account for account in accounts}
        while True:
            batch = await self._gather(news)
            await self._hear(batch)
            await self._apply(connection, batch)
            for event in batch:
                if event is None:
                    return
                if event.auth is not None and not event.auth.ready:
                    await self._look_at_loss()
                    self.cause = Cause.STREAM
                    return
            if self.dirty and time.monotonic() - self.book_at >= BOOK_PAUSE_SECONDS:
                try:
                    for key in list(self.dirty):
                        await self._unless_lost(connection, news, self._refresh(by_pk[key]))
                except Paused as pause:
                    await self._db(sessions.failed, connection, pause, self.keeper.clock())

    async def _read_feed(self, feed: Feed, news: News) -> None:
        try:
            async for event in feed.events():
                if event.heartbeat and self.heard_at is not None and not self._listens_closely(news):
                    self.heard_at = self.keeper.clock()
                else:
                    await news.put_facts(event)
        finally:
            # The end of the feed is news too.
            with contextlib.suppress(asyncio.QueueFull):
                news.put_nowait(None)

    def _listens_closely(self, news: News) -> bool:
        """Whether a beat is news: where orders may change, and behind news that nobody has brought home yet."""
        return self.pk in self.keeper.in_flight.now or not news.empty()

    async def _hear(self, batch: list[FeedEvent | None]) -> None:
        """Remember when the stream last spoke; its first word is written down at once, the others while it matters."""
        if not any(event is not None for event in batch):
            return
        first, self.heard_at = self.heard_at is None, self.keeper.clock()
        if first:
            await self._db(sessions.stream_heard, self.pk, self.heard_at, opened=True)

    async def _unless_lost(self, connection: Connection, news: News, reading: Coroutine[Any, Any, None]) -> None:
        """Read, and raise NotSignedIn as soon as the session is lost: a read may wait for the pace, or for a gateway that hangs."""
        task, lost = asyncio.create_task(reading), asyncio.create_task(news.lost.wait())
        try:
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                try:
                    await self._look_at_loss()
                except NotSignedIn:
                    await self._apply(connection, news.taken())
                    raise
            await task
        finally:
            for each in (task, lost):
                each.cancel()
            await asyncio.gather(task, lost, return_exceptions=True)

    async def _look_at_loss(self) -> None:
        """Raise NotSignedIn where the session is lost. The stream's messages tell parts of the state; a look tells all of it,
        and is written down before the goodbye to the stream, which takes seconds at some gateways."""
        state = await self.session.look(Cause.STREAM, check=self._prove)
        if not state.can_trade:
            raise NotSignedIn(state)

    async def _apply(self, connection: Connection, batch: Iterable[FeedEvent | None]) -> None:
        """Bring home the orders and fills of some news, in one transaction."""
        events = [event for event in batch if event is not None]
        orders = [fact for event in events for fact in event.orders]
        fills = [fact for event in events for fact in event.executions]
        if orders or fills:
            self.news_at = time.monotonic()
            await self._bring_home(connection, orders, fills)

    async def _gather(self, news: News) -> list[FeedEvent | None]:
        """What has arrived, at least one event; nothing when the book is due to be read first."""
        batch: list[FeedEvent | None] = []
        due = max(0.0, self.book_at + BOOK_PAUSE_SECONDS - time.monotonic()) if self.dirty else None
        with contextlib.suppress(TimeoutError):
            batch.append(await asyncio.wait_for(news.get(), due))
            # An order's news comes in threes (working, filled, the fill itself): one transaction for them.
            await asyncio.sleep(GATHER_SECONDS)
        facts = sum(map(facts_in, batch))
        while not news.empty() and facts < FACTS_AT_ONCE and len(batch) < 500:
            batch.append(news.get_nowait())
            facts += facts_in(batch[-1])
        return batch

    async def _tend(self, connection: Connection, accounts: list[BrokerageAccount]) -> None:
        """Tickle every minute, ask where the feed is silent, read the book now and then."""
        # Spread over the minute, so that ten thousand sessions do not tickle in the same second.
        next_keep = time.monotonic() + settings.KEEP_SECONDS * random.random()
        paused, back_at = False, nights.back_at(connection, self.keeper.clock())
        self.due = False
        while True:
            await self._rest(next_keep, paused=paused)
            now = time.monotonic()
            if self.look_at is not None and now >= self.look_at:
                self.look_at = None
                for account in accounts:
                    await self._db(rounds.look_through, account, self.keeper.clock())
            was_paused, paused = paused, self.broker.pause() is not None
            due, self.due = self.due, False
            if due and not paused:
                await self._look_anew()
            if now >= next_keep or (was_paused and not paused):
                next_keep = now + settings.KEEP_SECONDS * random.uniform(*KEEP_JITTER)
                await self._keep(connection)
                if back_at != (back_at := nights.back_at(connection, self.keeper.clock())):
                    # A session that outlived a night: what became of its orders meanwhile is read as after a sign-in.
                    await self._note_sign_in(connection)
                    await self._read_all(connection, accounts)
            if not paused:
                try:
                    await self._ask(connection, accounts, now)
                except Paused as pause:
                    # What fills meanwhile comes over the feed; the rest is asked for afterwards.
                    await self._db(sessions.failed, connection, pause, self.keeper.clock())

    async def _rest(self, next_keep: float, *, paused: bool) -> None:
        """Sleep until something is due, or somebody says so. A pause that ends is met within a second."""
        seconds = 1.0
        if not paused and not self.dirty and not self.unread:
            seconds = max(0.0, min(next_keep, self.book_at + self._book_seconds()) - time.monotonic()) + 0.01
        if self.look_at is not None:
            seconds = min(seconds, max(0.0, self.look_at - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), seconds)
        self.wake.clear()

    async def _look_anew(self) -> None:
        """Look at the session as who comes new to the gateway does: its certificate and the keys are shown again."""
        broker = self.keeper.open_brokerage(self.login)
        try:
            state = await replace(self.session, broker=broker).look(Cause.TRIAL, check=self._prove)
        finally:
            await broker.close()
        if not state.can_trade:
            raise NotSignedIn(state)

    async def _keep(self, connection: Connection) -> None:
        """Tickle. A gateway that is left alone keeps its session that way, and trades no sooner for it."""
        try:
            auth = await self.broker.tickle()
        except Paused as pause:
            await self._db(sessions.failed, connection, pause, self.keeper.clock())
            return
        left_alone = self.broker.pause()
        if left_alone is not None:
            await self._db(sessions.failed, connection, left_alone, self.keeper.clock())
        elif auth.ready:
            now = self.keeper.clock()
            if not await self.keeper.kept.write(self.pk, now):
                await self._db(sessions.seen, self.pk, auth, now, cause=Cause.TICKLE)
        else:
            # One tickle that fails says little; the session itself is asked.
            state = await self.session.look(Cause.TICKLE)
            if not state.can_trade:
                raise NotSignedIn(state)

    def _book_seconds(self) -> float:
        return BOOK_SECONDS if self.pk in self.keeper.in_use else IDLE_BOOK_SECONDS

    async def _ask(self, connection: Connection, accounts: list[BrokerageAccount], now: float) -> None:
        """Orders and fills where the feed is silent, and the book where it is old."""
        asks = self.pk in self.keeper.in_flight.now or self.unread
        if now - self.news_at > SILENT_SECONDS and asks:
            for account in accounts:
                await self._sync(connection, account)
            self.reads += 1
            if self.reads >= MOST_READS:
                self.unread.clear()
            if self.heard_at is not None:
                await self._db(sessions.stream_heard, self.pk, self.heard_at)
        due = now - self.book_at > self._book_seconds()
        for account in accounts:
            if due or account.pk in self.dirty:
                await self._refresh(account)
