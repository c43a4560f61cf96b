"""The orders, fills, positions and money of one connection, read at IBKR and brought home."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import ParamSpec, TypeVar

from brokers.book import holdings, looks, quotes
from brokers.connections import sessions
from brokers.domain.brokerage import MOST_DAYS, USUAL_DAYS, Brokerage, ExecutionFacts, OrderFacts, Paused
from brokers.domain.session.feed import FeedEvent
from brokers.models import BrokerageAccount, Connection
from brokers.orders.fills import account_legs
from brokers.orders.reconciliation import Applied
from brokers.postgres import incarnation
from brokers.processes.watching.money import Tellers
from brokers.processes.watching.station import Errands, Station
from brokers.protection import books, home

P = ParamSpec("P")
T = TypeVar("T")

SILENT_SECONDS = 5.0  # orders at the broker, and no news of them for this long: ask
MOST_READS = 12  # of executions that IBKR does not show
PAUSE_SECONDS = 0.2  # ... and after fills, at once but not more often than this
BOOK_SECONDS = 30.0  # positions and money of an account in use are read at least this often
IDLE_BOOK_SECONDS = 600.0  # ... and where nothing is held, nothing works and nobody trades


class Book:
    """What a watch reads of its accounts, and what of them is to be read next."""

    def __init__(self, keeper: Station, connection_pk: int, errands: Errands) -> None:
        self.keeper, self.pk, self.errands = keeper, connection_pk, errands
        self.broker: Brokerage
        # Orders that have filled and whose executions are not here, and how often they were asked for.
        self.unread: set[int] = set()
        self.reads = 0
        # Whether IBKR has more to tell: of an order that could be one of ours on its way, or of a holding's change.
        self.is_open = False
        self.news_at = 0.0
        self.at = 0.0
        # Whose fills are asked for next, of those that nobody has told.
        self.turn = 0
        self.tellers = Tellers()
        # The connection's accounts by IBKR's names of them, as the news before found them; a list has them read anew.
        self.known: dict[str, BrokerageAccount] = {}

    async def _db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.keeper.threads.run(function, *args, **kwargs)

    async def read_all(self, connection: Connection, accounts: list[BrokerageAccount]) -> None:
        for account in accounts:
            database = await self._db(incarnation.name)
            if await self.sync(connection, account, days=MOST_DAYS):
                await self._db(looks.brought_home, account, database)
            await self.refresh(account)

    async def sync(self, connection: Connection, account: BrokerageAccount, *, days: int = USUAL_DAYS) -> bool:
        """Orders and executions as the broker shows them now; whether the list of orders was complete.

        The first read of a session may be empty: read twice.
        """
        asked_at = self.keeper.clock()
        reply = await self.broker.orders(account.account_id)
        if not reply.complete:
            asked_at = self.keeper.clock()
            reply = await self.broker.orders(account.account_id)
        fills = await self.broker.executions(account.account_id, days=days)
        self.news_at = time.monotonic()
        self.is_open = self.is_open and not reply.complete
        self.known = {}
        await self.bring_home(connection, reply.orders, fills)
        if reply.complete:
            await self._db(home.note_list, connection, account.account_id, reply.orders, asked_at)
        return reply.complete

    async def bring_home(
        self, connection: Connection, orders: Sequence[OrderFacts], fills: Sequence[ExecutionFacts]
    ) -> None:
        clock = self.keeper.clock
        brought = await self._db(
            home.bring, connection, orders=orders, executions=fills, now=clock(), clock=clock, known=self.known
        )
        self.known = brought.applied.of_connection
        self._note_fills(brought.applied)
        self.is_open = self.is_open or brought.is_open
        self._look_again(brought.again_at)

    def _look_again(self, at: datetime | None) -> None:
        """Have stops looked at again at a moment, or sooner where that is due already; None: nothing waits for one."""
        if at is None:
            return
        due = time.monotonic() + max((at - self.keeper.clock()).total_seconds(), 0.0)
        self.errands.look_at = due if self.errands.look_at is None else min(self.errands.look_at, due)
        self.errands.wake.set()

    async def look_through(self, account: BrokerageAccount) -> None:
        """Look at the stops of an account whose book has just been read, or where time alone has made it due."""
        self._look_again(await self._db(books.look_through, account, self.keeper.clock()))

    def _note_fills(self, applied: Applied) -> None:
        """Remember what has filled without its executions, which are asked for where the feed does not bring them."""
        self.errands.dirty |= applied.accounts
        self.unread = (self.unread | applied.ahead) - applied.caught_up
        if applied.ahead:
            self.reads = 0
            self.errands.wake.set()

    async def refresh(self, account: BrokerageAccount) -> None:
        as_of, self.at = self.keeper.clock(), time.monotonic()
        if self.broker.pause() is not None:
            self.errands.dirty.add(account.pk)
            return
        # What has just filled changes the money: it is asked for at once, and not waited for.
        told = account.pk not in self.errands.dirty and self.tellers.tell(account.account_id)
        closes = account.pk in self.errands.dirty or self.pk in self.keeper.in_use
        self.errands.dirty.discard(account.pk)
        try:
            positions = await self.broker.positions(account.account_id)
            summary = None if told else await self.broker.summary(account.account_id)
        except Paused:
            self.errands.dirty.add(account.pk)
            raise
        ended_at = self.keeper.clock()
        refresh = partial(holdings.refresh, account, positions=positions, summary=summary, as_of=as_of)
        if await self._db(refresh, ended_at=ended_at):
            # What is held has changed by more, or less, than the fills that we know of: IBKR may show them late.
            self.is_open = True
        self.at = time.monotonic()
        if closes:
            await self.look_through(account)

    async def hear(self, events: Sequence[FeedEvent]) -> None:
        """Bring home what the stream tells of money and quotes, every few seconds."""
        self.tellers.hear(events)
        if self.tellers.due():
            money, prices = self.tellers.taken()
            if money:
                await self._db(holdings.hear, self.pk, money, self.keeper.clock())
            if prices:
                await self._db(quotes.hear, self.pk, prices)

    def seconds(self) -> float:
        return BOOK_SECONDS if self.pk in self.keeper.in_use else IDLE_BOOK_SECONDS

    async def ask(
        self, connection: Connection, accounts: list[BrokerageAccount], now: float, heard_at: datetime | None
    ) -> None:
        """Orders and fills where the feed is silent, and the book where it is old."""
        asks = self.pk in self.keeper.in_flight.now or self.unread or self.is_open
        if now - self.news_at > SILENT_SECONDS and asks:
            for account in accounts:
                await self.sync(connection, account)
            self.reads += 1
            if self.reads >= MOST_READS:
                self.unread.clear()
            if heard_at is not None:
                await self._db(sessions.stream_heard, self.pk, heard_at)
        due = now - self.at > self.seconds()
        for account in accounts:
            if due or account.pk in self.errands.dirty:
                await self.refresh(account)
        if due:
            # Behind the books, which it must not keep from being read.
            await self._ask_on(connection, accounts)

    async def _ask_on(self, connection: Connection, accounts: list[BrokerageAccount]) -> None:
        """Ask for fills of an advisor's groups that have not come home for long: of one account, since IBKR makes wait for each.

        In turn of those that hold more than is told; where none does, of all.
        """
        if not accounts or not await self._db(account_legs.are_missed, self.pk):
            return
        likely = await self._db(account_legs.who_may_have_them, self.pk)
        asked = [account for account in accounts if account.pk in likely] or accounts
        self.turn += 1
        await self.sync(connection, asked[self.turn % len(asked)], days=MOST_DAYS)
