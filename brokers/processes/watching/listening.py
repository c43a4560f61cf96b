"""The live stream of one connection followed: its news brought home, and the loss of the session noticed at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from accounts.loops import endings
from brokers.connections import sessions
from brokers.domain.brokerage import Paused
from brokers.domain.session.feed import Feed, FeedEvent
from brokers.domain.sessions import Cause
from brokers.models import BrokerageAccount, Connection
from brokers.orders.prompts import messages, prompts
from brokers.processes.signing_in import Check, NotSignedIn, SigningIn
from brokers.processes.watching.book import PAUSE_SECONDS, Book
from brokers.processes.watching.news import FACTS_AT_ONCE, News, facts_in, patience

P = ParamSpec("P")
T = TypeVar("T")


class Listening:
    """One stream, from its opening to its end."""

    def __init__(self, book: Book, connection: Connection, session: SigningIn, prove: Check, feed: Feed) -> None:
        self.keeper, self.pk, self.book = book.keeper, book.pk, book
        self.connection, self.session, self.prove = connection, session, prove
        self.news, self.feed = News(), feed
        self.account_ids: tuple[str, ...] = ()
        self.heard_at: datetime | None = None
        # Set while accounts are dirty.
        self.books_old = asyncio.Event()

    async def _db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.keeper.threads.run(function, *args, **kwargs)

    async def apply_news(self) -> bool:
        """Bring home what the feed says, everything that has gathered in one transaction, until it ends.

        True where it said that the session was lost, which a look does not confirm.
        """
        while True:
            batch = await self._gather()
            await self._hear(batch)
            await self._apply(batch)
            for event in batch:
                if event is None:
                    return False
                if event.auth is not None and not event.auth.ready:
                    await self._look_at_loss()
                    return True

    async def read_books(self, accounts: list[BrokerageAccount]) -> None:
        """Read the books that news has made old, until cancelled: beside the news, which waits for no answer of IBKR's."""
        by_pk = {account.pk: account for account in accounts}
        while True:
            await self.books_old.wait()
            await asyncio.sleep(self.book.at + PAUSE_SECONDS - time.monotonic())
            self.books_old.clear()
            try:
                for key in list(self.book.errands.dirty):
                    if (account := by_pk.get(key)) is not None:
                        await self.book.refresh(account)
                    else:
                        # IBKR does not show it under this sign-in, so that nobody can read it.
                        self.book.errands.dirty.discard(key)
            except Paused as pause:
                await self._db(sessions.failed, self.connection, pause, self.keeper.clock())
            if self.book.errands.dirty:
                self.books_old.set()

    async def read_feed(self) -> None:
        self.feed.on_beat(self._passes_over_beat)
        try:
            async for event in self.feed.events():
                if not (event.heartbeat and self._passes_over_beat()):
                    await self.news.put_facts(event)
        finally:
            # The end of the feed is news too.
            with contextlib.suppress(asyncio.QueueFull):
                self.news.put_nowait(None)

    def _passes_over_beat(self) -> bool:
        """Whether a beat tells no more than when the stream last spoke; it is remembered then."""
        if self.heard_at is None or self._listens_closely():
            return False
        self.heard_at = self.keeper.clock()
        return True

    def _listens_closely(self) -> bool:
        """Whether a beat is news: where orders may change, and behind news that nobody has brought home yet."""
        return self.pk in self.keeper.in_flight.now or not self.news.empty()

    async def _hear(self, batch: list[FeedEvent | None]) -> None:
        """Remember when the stream last spoke; its first word is written down at once, the others while it matters."""
        if not any(event is not None for event in batch):
            return
        first, self.heard_at = self.heard_at is None, self.keeper.clock()
        if first:
            await self._db(sessions.stream_heard, self.pk, self.heard_at, opened=True)

    async def unless_lost(self, reading: Coroutine[Any, Any, None]) -> None:
        """Read, and raise NotSignedIn as soon as the session is lost: a read may wait for the pace, or for a gateway that hangs."""
        task, lost = asyncio.create_task(reading), asyncio.create_task(self.news.lost.wait())
        try:
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                try:
                    await self._look_at_loss()
                except NotSignedIn:
                    await self._apply(self.news.taken())
                    raise
            await task
        finally:
            await endings.end([task, lost])

    async def _look_at_loss(self) -> None:
        """Raise NotSignedIn where the session is lost. The stream's messages tell parts of the state; a look tells all of it,
        and is written down before the goodbye to the stream, which takes seconds at some gateways."""
        await self._db(sessions.loss_heard, self.pk, self.keeper.clock())
        state = await self.session.look(Cause.STREAM, check=self.prove)
        if not state.can_trade:
            raise NotSignedIn(state)

    async def _apply(self, batch: Iterable[FeedEvent | None]) -> None:
        """Bring home the orders and fills of some news, in one transaction."""
        events = [event for event in batch if event is not None]
        orders = [fact for event in events for fact in event.orders]
        fills = [fact for event in events for fact in event.executions]
        if orders or fills:
            self.book.news_at = time.monotonic()
            self.keeper.brought.note(self.connection.team_id, self.book.news_at)
            await self.book.bring_home(self.connection, orders, fills)
            if self.book.errands.dirty:
                self.books_old.set()
        if asked := [prompt for event in events for prompt in event.prompts]:
            await self._db(prompts.heard, self.connection, asked, self.keeper.clock())
        if told := [each for event in events for each in event.told]:
            await self._db(messages.heard, self.connection, told, self.keeper.clock())
        await self.book.hear(events)

    async def _gather(self) -> list[FeedEvent | None]:
        """What has arrived, at least one event; more is waited for as long as its news is worth."""
        batch: list[FeedEvent | None] = [await self.news.get()]
        until, floods = float("inf"), self.keeper.brought.floods(self.connection.team_id, time.monotonic())
        with contextlib.suppress(TimeoutError):
            while self._takes_all_there_is(batch):
                until = min(until, time.monotonic() + patience(batch, floods=floods))
                async with asyncio.timeout(until - time.monotonic()):
                    batch.append(await self.news.get())
        return batch

    def _takes_all_there_is(self, batch: list[FeedEvent | None]) -> bool:
        """Put what has arrived into the batch; False where that fills it, or was the end of the feed."""
        facts = sum(map(facts_in, batch))
        while batch[-1] is not None and facts < FACTS_AT_ONCE and len(batch) < 500:
            if self.news.empty():
                return True
            batch.append(self.news.get_nowait())
            facts += facts_in(batch[-1])
        return False
