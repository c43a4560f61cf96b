"""A world for a few schedules at a time: the simulated IBKR on loopback, its clock ours, and a connection for each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar

import psycopg
from aiohttp import web
from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.connections import connections
from brokers.connections.reach import reach
from brokers.domain.sessions import Environment, SessionStatus
from brokers.models import BrokerageAccount, Connection, ContractLookup, Order
from brokers.orders import orphans
from brokers.postgres.locks import direct_parameters
from brokers.postgres.threads import Threads
from brokers.simulator.behaviour import Behaviour, fast
from brokers.simulator.books.load import Books
from brokers.simulator.books.store import Store
from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.listed import STOCKS
from brokers.simulator.exchange import records
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.gateway.users import User
from brokers.simulator.market.quotes import Quote
from brokers.simulator.server.edge import Edge
from brokers.tests.soak import clock, processes

P = ParamSpec("P")
T = TypeVar("T")

# A Friday on which markets are open.
BEGINS = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
# So many stocks a connection has for itself: nobody else moves their prices.
STOCKS_EACH = 2
MOST = 200
# How often processes look for what no notice told them of, and for what nobody asked for.
LOOK_SECONDS, TIDY_SECONDS = 2, 10
PRICE = Decimal(100)
NEAR = Decimal(1)
_HALF_A_SPREAD = Decimal("0.01")
_names = itertools.count(1)

# As IBKR where it matters to orders: what is read first is incomplete, answers take a moment, and calls are counted.
BEHAVIOUR: Behaviour = replace(
    fast(),
    latency="uniform",
    latency_ms=(5.0, 60.0),
    init_delay_ms=300.0,
    fill_delay_ms=40.0,
    cold_trades=True,
    cold_positions=True,
    pacing=True,
)


class MemoryStore(Store):
    """Books that nobody reads again: durable at once."""

    def __init__(self) -> None:
        self.batches = 0

    def _ask(self) -> int:
        return 0

    def save(self, changes: Iterable[Any]) -> int:
        return 0

    def delete_account(self, account_id: str, order_id: int, execution_number: int) -> int:
        return 0

    def after_commit(self, call: Callable[[], None]) -> None:
        call()

    async def durable(self) -> None:
        return

    async def close(self) -> None:
        return


@dataclass
class Tenant:
    """One connection with its account, its stocks and its user at the simulated IBKR."""

    world: World
    connection: Connection
    account: BrokerageAccount
    stocks: tuple[int, ...]
    prices: dict[int, Decimal] = field(default_factory=dict)
    # Our rows as they were read last, by reference; and what did not hold since the beginning.
    rows: dict[str, Order] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def key(self) -> int:
        return self.connection.pk

    @property
    def user(self) -> User:
        return self.world.gateway.user(self.connection.username)

    def at_ibkr(self) -> list[records.Order]:
        """All orders of the user that IBKR's own books have, whether its lists show them or not."""
        name = self.user.name
        return [each for each in self.world.gateway.engine.orders.values() if each.username == name]

    def is_hidden(self, order: records.Order) -> bool:
        """Whether a fault keeps an order out of IBKR's lists for the moment."""
        return self.user.hidden.get(order.order_id, 0.0) > self.world.gateway.clock()

    def symbol(self, stock: int) -> str:
        instrument = catalogue.find(self.stocks[stock])
        assert instrument is not None
        return instrument.symbol

    def set_price(self, stock: int, price: Decimal) -> None:
        conid, now = self.stocks[stock], self.world.gateway.clock()
        self.prices[stock] = price
        quote = Quote(
            conid=conid,
            bid=price - _HALF_A_SPREAD,
            ask=price + _HALF_A_SPREAD,
            last=price,
            bid_size=900,
            ask_size=900,
            at=now,
        )
        self.world.gateway.market.post(quote, now + 1e6)

    def arm(self, fault: dict[str, Any]) -> None:
        match = {**fault["match"], "user": self.user.name}
        self.world.gateway.faults.arm({**fault, "match": match}, self.world.gateway.clock())


class World:
    """The simulated IBKR, a worker and a stream, on one jumping clock."""

    def __init__(
        self,
        gateway: Gateway,
        url: str,
        worker: processes.Worker,
        stream: processes.Stream,
        watcher: Callable[[Tenant], None],
    ) -> None:
        self.gateway, self.url, self.worker, self.stream = gateway, url, worker, stream
        # Looks at what must hold at every moment.
        self.watcher = watcher
        self.threads = worker.threads
        self.tenants: list[Tenant] = []
        self.turning: asyncio.Task[None]

    async def db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.threads.run(function, *args, **kwargs)

    async def join(self, team: Team, number: int, resends: str) -> Tenant:
        """The world's n-th connection, whose session trades and whose stream runs."""
        assert number < MOST
        stocks = [each.conid for each in STOCKS.values()]
        mine = tuple(stocks[number * STOCKS_EACH : (number + 1) * STOCKS_EACH])
        connection = await self.db(_connected, team, self.url, mine, resends)
        await self.stream.begin(connection.pk)
        account = await self._account(connection)
        tenant = Tenant(self, connection, account, mine)
        for stock in range(STOCKS_EACH):
            tenant.set_price(stock, PRICE)
        self.tenants.append(tenant)
        self.worker.begin(connection.pk)
        return tenant

    async def leave(self, tenant: Tenant) -> None:
        """End what runs for a tenant whose story is over: it costs the others nothing any more."""
        self.tenants.remove(tenant)
        await self.worker.leave(tenant.key)
        await self.stream.leave(tenant.key)
        for socket in list(tenant.user.sockets):
            socket.drop()
        await self.db(Connection.objects.filter(pk=tenant.key).update, enabled=False)

    async def _account(self, connection: Connection) -> BrokerageAccount:
        def account() -> BrokerageAccount | None:
            trades = Connection.objects.filter(
                pk=connection.pk, session_status=str(SessionStatus.ACTIVE), stream_since__isnull=False
            )
            return connection.accounts.first() if trades.exists() else None

        for _ in range(200):
            if (known := await self.db(account)) is not None:
                return known
            await asyncio.sleep(0.5)
        raise AssertionError("the connection has not signed in")

    async def _turn(self) -> None:
        """What both processes and IBKR do as time passes."""
        for second in itertools.count():
            self.gateway.tick()
            self.gateway.housekeep()
            if second % LOOK_SECONDS == 0:
                await self.worker.look()
                await self.stream.look()
            if second % TIDY_SECONDS == 0:
                await self.db(orphans.cancel, clock.moment())
            await self.see()
            await asyncio.sleep(1.0)

    async def see(self) -> None:
        """Read all rows of orders, and look at what must hold at every moment."""
        rows = await self.db(_orders, [tenant.key for tenant in self.tenants])
        for tenant in self.tenants:
            tenant.rows = rows.get(tenant.key, {})
            self.watcher(tenant)


def _orders(keys: list[int]) -> dict[int, dict[str, Order]]:
    rows: dict[int, dict[str, Order]] = {}
    for order in Order.objects.filter(connection__in=keys).order_by("pk"):
        rows.setdefault(order.connection_id, {})[order.reference] = order
    return rows


def _connected(team: Team, url: str, stocks: tuple[int, ...], resends: str) -> Connection:
    username = f"SOAK{next(_names)}"
    connection = connections.connect(
        team=team,
        actor=None,
        name=username,
        username=username,
        environment=Environment.PAPER,
        base_url=f"{url}/u/{username}/v1/api",
        now=timezone.now(),
    )
    Connection.objects.filter(pk=connection.pk).update(resends=resends)
    for conid in stocks:
        instrument = catalogue.find(conid)
        assert instrument is not None
        ContractLookup.objects.create(
            connection=connection,
            ticker=instrument.symbol,
            asset_class="stock",
            status="found",
            conid=conid,
            answered_at=timezone.now(),
            increments=[],
        )
    return connection


@contextlib.asynccontextmanager
async def opened(watcher: Callable[[Tenant], None]) -> AsyncIterator[World]:
    """A world, until its stories have ended."""
    async with contextlib.AsyncExitStack() as stack:
        gateway = Gateway(BEHAVIOUR, MemoryStore(), Books(), clock=lambda: clock.moment().timestamp())
        runner = web.AppRunner(Edge(gateway, control_token="soak").app(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        http = await stack.enter_async_context(ibkr.new_http(reach()))
        sessions = [await psycopg.AsyncConnection.connect(**direct_parameters()) for _ in range(2)]
        for session in sessions:
            stack.push_async_callback(session.close)
        threads = Threads(size=4)
        stack.callback(threads.close)
        ways = processes.Ways(http)
        worker = processes.Worker(ways, clock.locks_of(sessions[0]), threads)
        stream = processes.Stream(ways, clock.locks_of(sessions[1]), threads)
        world = World(gateway, url, worker, stream, watcher)
        world.turning = asyncio.create_task(world._turn())
        try:
            yield world
        finally:
            await processes.ended(world.turning)
            await worker.end()
            await stream.end()
            for user in gateway.users.values():
                for socket in list(user.sockets):
                    socket.drop()
