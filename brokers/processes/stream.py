"""The stream process: thousands of sessions kept alive and their news brought home, on one event loop.

One watch per connection: sign in, read everything once, then follow IBKR's websocket. Where it is silent, polling
fills in. Several stream processes share the connections by shard, each under an advisory lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import ParamSpec, TypeVar

import psycopg
from django.conf import settings
from django.utils import timezone

from accounts import pulse
from brokers.book import holdings
from brokers.connections import connections, sessions
from brokers.domain.brokerage import (
    BrokerError,
    BrokerUnavailable,
    Feed,
    FeedEvent,
    LoginRefused,
    OpenBrokerage,
    OpenFeed,
)
from brokers.domain.sessions import Login, SessionStatus
from brokers.models import BrokerageAccount, Connection
from brokers.orders import closing, doubt, reconciliation
from brokers.postgres.locks import Locks, Space, direct_parameters
from brokers.postgres.notices import CONNECTIONS_CHANNEL
from brokers.postgres.threads import Threads

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

LOOK_SECONDS = 2.0  # how often new and changed connections are looked for, in case their notice got lost
SILENT_SECONDS = 5.0  # orders at the broker, and no news of them for this long: ask
GATHER_SECONDS = 0.015
BOOK_PAUSE_SECONDS = 0.2  # ... and after fills, at once but not more often than this
BOOK_SECONDS = 30.0  # positions and money are read at least this often
LONGEST_PAUSE = 30.0
REFUSED_PAUSE = 60.0


# What a running watch depends on: the username and the gateway's address.
Identity = tuple[str, str]


class Keeper:
    """Watches every enabled connection of one shard."""

    def __init__(
        self,
        open_brokerage: OpenBrokerage,
        open_feed: OpenFeed,
        *,
        shard: int = 0,
        shards: int = 1,
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self.open_brokerage = open_brokerage
        self.open_feed = open_feed
        self.shard = shard
        self.shards = shards
        self.clock = clock
        self.threads = Threads(size=8)
        self.watches: dict[int, Watch] = {}
        self.locks: Locks
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Watch until `stopping` is set. A database that goes away is waited for."""
        beat = asyncio.create_task(self._pulse())
        try:
            while not self.stopping.is_set():
                try:
                    await self._hold_shard()
                except psycopg.OperationalError as error:
                    log.warning("The database is away, trying again: %s", str(error).strip())
                    await self._pause(1.0)
        finally:
            beat.cancel()
            await self._stop_watches()
            self.threads.close()

    async def _pulse(self) -> None:
        while True:
            await asyncio.to_thread(pulse.beat, "stream")
            await asyncio.sleep(3)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    async def _hold_shard(self) -> None:
        async with (
            Locks.opened() as self.locks,
            await psycopg.AsyncConnection.connect(**direct_parameters()) as session,
        ):
            while not await self.locks.take(Space.STREAM, self.shard):
                # Another process watches; stand by for the moment it goes.
                await self._pause(LOOK_SECONDS)
                if self.stopping.is_set():
                    return
            await session.execute(f"LISTEN {CONNECTIONS_CHANNEL}")
            try:
                while not self.stopping.is_set():
                    await self._look()
                    _ = [notice async for notice in session.notifies(timeout=LOOK_SECONDS, stop_after=1)]
            finally:
                # The lock is gone or about to go: somebody else may watch from now on.
                await self._stop_watches()

    async def _look(self) -> None:
        identities = await self.threads.run(_to_watch, self.shard, self.shards)
        for key in [
            key for key, watch in self.watches.items() if identities.get(key) != watch.identity or watch.task.done()
        ]:
            await self.watches.pop(key).stop()
        for key, identity in identities.items():
            if key not in self.watches:
                self.watches[key] = Watch(self, key, identity)
        for key, accounts in (await self.threads.run(closing.accounts_to_read, self.shard, self.shards)).items():
            if key in self.watches:
                self.watches[key].dirty |= accounts

    async def _stop_watches(self) -> None:
        watches, self.watches = self.watches, {}
        await asyncio.gather(*(watch.stop() for watch in watches.values()))


def _to_watch(shard: int, shards: int) -> dict[int, Identity]:
    """Enabled connections of the shard with what a running watch depends on; a change restarts the watch."""
    rows = Connection.objects.filter(enabled=True).values_list("pk", "username", "base_url")
    return {pk: (username, base_url) for pk, username, base_url in rows if pk % shards == shard}


class Watch:
    """One connection: its session, its feed, its book."""

    def __init__(self, keeper: Keeper, connection_pk: int, identity: Identity) -> None:
        self.keeper = keeper
        self.pk = connection_pk
        self.identity = identity
        self.dirty: set[int] = set()
        self.news_at = 0.0
        self.book_at = 0.0
        self.task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def _db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.keeper.threads.run(function, *args, **kwargs)

    async def _run(self) -> None:
        pause = 0.5
        while True:
            try:
                connection = await self._db(Connection.objects.get, pk=self.pk)
                login = connections.login_of(connection)
                self.broker = self.keeper.open_brokerage(login)
                try:
                    await self._follow(connection, login)
                    pause = 0.5
                finally:
                    await self.broker.close()
            except BrokerError as error:
                await self._db(sessions.failed, connection, error, self.keeper.clock())
                if isinstance(error, LoginRefused):
                    pause = REFUSED_PAUSE
            except Exception:
                log.exception("Connection %s: its watch failed and starts again", self.pk)
            # Everybody's gateway comes back at the same second; not everybody need knock in it.
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, LONGEST_PAUSE if pause < REFUSED_PAUSE else REFUSED_PAUSE)

    async def _follow(self, connection: Connection, login: Login) -> None:
        """From sign-in to the end of the feed."""
        await self._sign_in(connection)
        accounts = await self._accounts(connection)
        feed = self.keeper.open_feed(login)
        news: asyncio.Queue[FeedEvent | None] = asyncio.Queue(maxsize=10_000)
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(_read(feed, news))
                # The feed is open before the first full read, so that nothing falls between the two.
                await self._read_all(connection, accounts)
                timers = tasks.create_task(self._tend(connection, accounts))
                await self._apply_news(connection, accounts, news)
                timers.cancel()
                reader.cancel()
        except BaseExceptionGroup as group:
            # One fault ends the watch; the first broker error says why.
            raise next((e for e in group.exceptions if isinstance(e, BrokerError)), group.exceptions[0]) from group
        finally:
            await feed.close()
        raise BrokerUnavailable("IBKR closed the live stream; opening it again.")

    async def _sign_in(self, connection: Connection) -> None:
        auth = await self.broker.session()
        if not auth.ready:
            async with self.keeper.locks.only_one(Space.CONNECTION, self.pk) as held:
                # A lane that holds the lock signs in by itself.
                auth = await (self.broker.open_session() if held else self.broker.session())
        status = await self._db(sessions.kept, connection, auth, self.keeper.clock())
        if status is not SessionStatus.ACTIVE:
            raise BrokerUnavailable(connection.session_reason)

    async def _accounts(self, connection: Connection) -> list[BrokerageAccount]:
        known = await self._db(lambda: list(connection.accounts.all()))
        if connections.are_known(connection, known, self.keeper.clock()):
            return known
        facts = await self.broker.accounts()
        accounts = await self._db(
            connections.save_accounts, connection=connection, facts=facts, now=self.keeper.clock()
        )
        if not accounts:
            raise LoginRefused(connection.session_reason or "IBKR shows no account under this user.", "paper_account")
        return accounts

    async def _read_all(self, connection: Connection, accounts: list[BrokerageAccount]) -> None:
        for account in accounts:
            await self._sync(connection, account)
            await self._refresh(account)

    async def _sync(self, connection: Connection, account: BrokerageAccount) -> None:
        """Orders and executions as the broker shows them now. The first read of a session may be empty: read twice."""
        reply = await self.broker.orders(account.account_id)
        if not reply.complete:
            reply = await self.broker.orders(account.account_id)
        fills = await self.broker.executions(account.account_id)
        self.news_at = time.monotonic()
        applied = await self._db(
            reconciliation.apply, connection, orders=reply.orders, executions=fills, now=self.keeper.clock()
        )
        self.dirty |= applied.accounts

    async def _refresh(self, account: BrokerageAccount) -> None:
        self.dirty.discard(account.pk)
        as_of = self.keeper.clock()
        positions = await self.broker.positions(account.account_id)
        summary = await self.broker.summary(account.account_id)
        await self._db(holdings.refresh, account, positions=positions, summary=summary, as_of=as_of)
        self.book_at = time.monotonic()
        await self._db(closing.work, self.keeper.clock())

    async def _apply_news(
        self, connection: Connection, accounts: list[BrokerageAccount], news: asyncio.Queue[FeedEvent | None]
    ) -> None:
        """Bring home what the feed says, everything that has gathered in one transaction."""
        by_pk = {account.pk: account for account in accounts}
        while True:
            batch = await self._gather(news)
            orders = [fact for event in batch if event for fact in event.orders]
            fills = [fact for event in batch if event for fact in event.executions]
            if orders or fills:
                self.news_at = time.monotonic()
                applied = await self._db(
                    reconciliation.apply, connection, orders=orders, executions=fills, now=self.keeper.clock()
                )
                self.dirty |= applied.accounts
            for event in batch:
                if event is None:
                    return
                if event.auth is not None and not event.auth.ready:
                    await self._db(sessions.kept, connection, event.auth, self.keeper.clock())
                    return
            if self.dirty and time.monotonic() - self.book_at >= BOOK_PAUSE_SECONDS:
                for key in list(self.dirty):
                    await self._refresh(by_pk[key])

    async def _gather(self, news: asyncio.Queue[FeedEvent | None]) -> list[FeedEvent | None]:
        """What has arrived, at least one event; nothing when the book is due to be read first."""
        batch: list[FeedEvent | None] = []
        due = max(0.0, self.book_at + BOOK_PAUSE_SECONDS - time.monotonic()) if self.dirty else None
        with contextlib.suppress(TimeoutError):
            batch.append(await asyncio.wait_for(news.get(), due))
            # An order's news comes in threes (working, filled, the fill itself): one transaction for them.
            await asyncio.sleep(GATHER_SECONDS)
        while not news.empty() and len(batch) < 500:
            batch.append(news.get_nowait())
        return batch

    async def _tend(self, connection: Connection, accounts: list[BrokerageAccount]) -> None:
        """Tickle every minute, ask where the feed is silent, read the book now and then."""
        # Spread over the minute, so that ten thousand sessions do not tickle in the same second.
        next_keep = time.monotonic() + settings.KEEP_SECONDS * random.random()
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            if now >= next_keep:
                next_keep = now + settings.KEEP_SECONDS
                auth = await self.broker.tickle()
                if await self._db(sessions.kept, connection, auth, self.keeper.clock()) is not SessionStatus.ACTIVE:
                    raise BrokerUnavailable(connection.session_reason)
            if now - self.news_at > SILENT_SECONDS and await self._db(doubt.in_flight, self.pk):
                for account in accounts:
                    await self._sync(connection, account)
            due = now - self.book_at > BOOK_SECONDS
            for account in accounts:
                if due or account.pk in self.dirty:
                    await self._refresh(account)


async def _read(feed: Feed, news: asyncio.Queue[FeedEvent | None]) -> None:
    try:
        async for event in feed.events():
            await news.put(event)
    finally:
        # The end of the feed is news too.
        with contextlib.suppress(asyncio.QueueFull):
            news.put_nowait(None)
