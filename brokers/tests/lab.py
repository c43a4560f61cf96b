"""A simulated account at the loopback gateway, and the two ways our orders and its news travel."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.connections import connections, user_accounts
from brokers.connections.reach import reach
from brokers.connections.tokens import Shelves
from brokers.domain.sessions import AuthStatus
from brokers.ibkr.pacing import Pacing
from brokers.models import BrokerageAccount, Connection, ContractLookup, Order
from brokers.postgres.incarnation import this_database
from brokers.processes.lanes import Lanes
from brokers.processes.stream import Keeper
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import rows
from brokers.tests.pauses import pauses

DEADLINE = 20.0
# Seconds without work after which lanes end. Hundreds of tests wait for that; those that work them in a thread beside a
# story have a stream whose news makes work a moment later.
LINGER, LINGER_BESIDE_A_STORY = 0.1, 0.3
SHELVES = Shelves()

T = TypeVar("T")


@dataclass
class Lab:
    """One signed-in user with an account and AAPL's contract."""

    gateway: RunningGateway
    connection: Connection
    account: BrokerageAccount

    @property
    def user(self) -> str:
        return self.connection.username

    def order(self, **values: Any) -> Order:
        """A created order for one AAPL that may leave at once."""
        return rows.order(self.account, **{"quantity": Decimal(1), **values})

    def posts(self) -> list[dict[str, Any]]:
        """Every order request that reached the gateway."""
        entries = self.gateway.journal(self.user, method="POST")
        return [entry for entry in entries if entry["path"].endswith("/orders")]

    def at_broker(self) -> list[dict[str, Any]]:
        """The orders the gateway knows, whatever we think."""
        for _ in range(2):
            answer = self.gateway.call(self.user, "GET", "/iserver/account/orders")[1]
        orders: list[dict[str, Any]] = answer["orders"]
        return orders


def make(team: Team, gateway: RunningGateway, connection: Connection | None = None, **books: Any) -> Lab:
    """A connection whose user is signed in at the gateway, with its account and the contract of AAPL.

    `books` are what the user's books begin with, as of `gateway.seed`.
    """
    connection = connection or rows.connection(team)
    if books:
        gateway.seed(connection.username, **books)
    facts = asyncio.run(_sign_in(connection))
    now = timezone.now()
    account = user_accounts.save_accounts(connection=connection, facts=facts, now=now)[0]
    BrokerageAccount.objects.filter(pk=account.pk).update(orders_home_in=this_database())
    account.refresh_from_db()
    from brokers.connections import sessions

    sessions.kept(connection, AuthStatus(authenticated=True, connected=True, competing=False, established=True), now)
    watched_without_gap(connection)
    ContractLookup.objects.create(
        connection=connection,
        ticker="AAPL",
        asset_class="stock",
        status="found",
        conid=265598,
        answered_at=now,
        increments=[],
    )
    return Lab(gateway, connection, account)


def watched_without_gap(connection: Connection) -> None:
    """As if its live stream ran since the session did, and spoke on: lanes alone have none."""
    now, hour = timezone.now(), timedelta(hours=1)
    rows.without_gap(connection, now - hour, now + hour)


def miss(order: Order, seconds: float = 60.0, looks: int = 12) -> Order:
    """Look at complete lists that do not name an order, again and again over `seconds` from now on."""
    from brokers.domain.doubts.evidence import Source
    from brokers.orders import doubt

    begin = timezone.now()
    for n in range(looks):
        now = begin + timedelta(seconds=seconds * n / (looks - 1))
        if doubt.note_looks(order, [Source.TRADES, Source.ORDERS], 0, now) is None:
            break
    order.refresh_from_db()
    return order


async def _sign_in(connection: Connection) -> Any:
    async with ibkr.new_http(reach()) as http:
        broker = ibkr.connect(connections.login_of(connection), http)
        try:
            assert (await broker.open_session()).ready
            return await broker.accounts()
        finally:
            await broker.close()


def work(**options: Any) -> bool:
    """Work all waiting orders until idle, as the Celery task does."""
    is_alone = threading.current_thread() is threading.main_thread()
    linger = LINGER if is_alone else LINGER_BESIDE_A_STORY

    async def main() -> bool:
        async with ibkr.new_http(reach()) as http:
            return await Lanes(
                lambda login: ibkr.connect(login, http, shelf=SHELVES.of(login)), linger=linger, **options
            ).run()

    return asyncio.run(main())


async def until(condition: Callable[[], object], what: str, within: float = DEADLINE, every: float = 0) -> None:
    """Wait for something to become true in the database, asked `every` so many seconds (0: as `pauses` says); fail with its name
    when it does not."""
    give_up, pause = asyncio.get_running_loop().time() + within, pauses()
    while not await asyncio.to_thread(holds, condition):
        assert asyncio.get_running_loop().time() < give_up, f"still waiting until {what}"
        await asyncio.sleep(every or next(pause))


def holds(condition: Callable[[], object]) -> bool:
    """Whether `condition` is true by now, asked on a database connection of its own."""
    from django.db import connection

    try:
        return bool(condition())
    finally:
        connection.close()


def asked(function: Callable[[], T]) -> T:
    """What a function that asks the database says, on a database connection of its own."""
    from django.db import connection

    try:
        return function()
    finally:
        connection.close()


@contextlib.asynccontextmanager
async def working(*, pacing: Pacing | None = None, **options: Any) -> AsyncIterator[asyncio.Task[bool]]:
    """The lanes of the one shard, until the story has ended. `pacing`: IBKR's limits, which a simulated user has none of."""
    async with ibkr.new_http(reach()) as http:
        lanes = Lanes(lambda login: ibkr.connect(login, http, pacing=pacing, shelf=SHELVES.of(login)), **options)
        task = asyncio.create_task(lanes.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def watching(**options: Any) -> AsyncIterator[Keeper]:
    """The stream process's work, inside the test."""
    async with ibkr.new_http(reach()) as http:
        keeper = Keeper(
            lambda login: ibkr.connect(login, http, shelf=SHELVES.of(login)),
            lambda login: ibkr.listen(login, http, shelf=SHELVES.of(login)),
            **options,
        )
        task = asyncio.create_task(keeper.run())
        try:
            yield keeper
        finally:
            keeper.stopping.set()
            await task


def lived(*steps: Callable[[], object]) -> None:
    """The world at work until each of these is true, one after the other."""

    async def story() -> None:
        async with watching():
            for step in steps:
                await asyncio.to_thread(work)
                await until(step, step.__name__.replace("_", " "))

    asyncio.run(story())
