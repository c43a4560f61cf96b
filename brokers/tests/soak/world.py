"""A world for a few schedules at a time: the simulated IBKR on loopback, its clock ours, and a connection for each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

import psycopg
from aiohttp import web
from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.connections import connections
from brokers.connections.reach import reach
from brokers.domain.sessions import Environment, Region, SessionStatus
from brokers.models import BrokerageAccount, Connection, ContractLookup, Lapse, Order
from brokers.orders import orphans
from brokers.orders.together.handing import lanes_here
from brokers.postgres.locks import Locks, direct_parameters
from brokers.postgres.threads import Threads
from brokers.protection import rounds
from brokers.simulator.behaviour import Behaviour, fast
from brokers.simulator.books.load import Books
from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.listed import STOCKS
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.server.edge import Edge
from brokers.tests.soak import clock, processes
from brokers.tests.soak.memory import MemoryStore
from brokers.tests.soak.tenant import PRICE, Tenant
from brokers.tests.soak.weather import Weather, restart_postgres

P = ParamSpec("P")
T = TypeVar("T")

# So many stocks a connection has for itself: nobody else moves their prices.
STOCKS_EACH = 2
MOST = 200
# How often processes look for what no notice told them of, and for what nobody asked for.
LOOK_SECONDS, TIDY_SECONDS = 2, 10
_names = itertools.count(1)
# What is looked at of every order every second: a row has sixty columns.
_READ = (
    *("connection_id", "reference", "status", "reason_code", "role", "release", "type", "side", "quantity", "conid"),
    *("broker_order_id", "second_of_id"),
)

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
    # A place that says nothing of the region, which is as the connection says.
    place="",
)


class World:
    """The simulated IBKR, a worker and a stream, on one jumping clock."""

    def __init__(
        self,
        gateway: Gateway,
        url: str,
        worker: processes.Worker,
        stream: processes.Stream,
        watcher: Callable[[Tenant], None],
        weather: Weather,
    ) -> None:
        self.gateway, self.url, self.worker, self.stream = gateway, url, worker, stream
        # Looks at what must hold at every moment.
        self.watcher, self.weather = watcher, weather
        # Those whom no fault meets, and how many questions of the world itself the database is at.
        self.calm: set[int] = set()
        self.asking = 0
        self.nights = list(weather.nights)
        self.stack = contextlib.AsyncExitStack()
        self.threads = worker.threads
        self.tenants: list[Tenant] = []
        self.turning: asyncio.Task[None]

    async def db(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.asking += 1
        try:
            return await self.threads.run(function, *args, **kwargs)
        finally:
            self.asking -= 1

    async def join(self, team: Team, number: int, resends: str, *, calm: bool = False) -> Tenant:
        """The world's n-th connection, whose session trades and whose stream runs."""
        assert number < MOST
        stocks = [each.conid for each in STOCKS.values()]
        mine = tuple(stocks[number * STOCKS_EACH : (number + 1) * STOCKS_EACH])
        # No window of Asia is near.
        region = Region.ASIA if calm else self.weather.region
        connection = await self.db(_connected, team, self.url, mine, resends, region)
        if calm:
            self.calm.add(connection.pk)
        self.asking += 1
        await self.stream.begin(connection.pk)
        self.asking -= 1
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

        for _ in range(300):
            if (known := await self.db(account)) is not None:
                return known
            await asyncio.sleep(1.0)
        raise AssertionError("the connection has not signed in")

    async def _turn(self) -> None:
        """What both processes and IBKR do as time passes."""
        restarts = list(self.weather.restarts)
        for second in itertools.count():
            self._begin_night()
            self.gateway.tick()
            self.gateway.housekeep()
            if second % LOOK_SECONDS == 0:
                await self.worker.look()
                await self.stream.look()
            if second % TIDY_SECONDS == 0:
                await self.db(orphans.cancel, clock.moment())
                await self.db(rounds.look, clock.moment())
            if restarts and second >= restarts[0]:
                restarts.pop(0)
                await self._restart()
            await self.see()
            await asyncio.sleep(1.0)

    def _begin_night(self) -> None:
        """Let IBKR be away for those whom faults meet, when the weather says so."""
        while self.nights and self.nights[0][0] <= clock.moment():
            _, seconds = self.nights.pop(0)
            for tenant in self.tenants:
                if tenant.key not in self.calm:
                    tenant.begin_night(seconds)

    async def _restart(self) -> None:
        """Restart Postgres: every session ends, and with it every lock and whatever was under way."""
        while self.asking:  # noqa: ASYNC110
            await asyncio.sleep(0)
        restart_postgres()
        for process in (self.worker, self.stream):
            await process.lose_the_database(await self._locks())

    async def _locks(self) -> Locks:
        session = await psycopg.AsyncConnection.connect(**direct_parameters())
        self.stack.push_async_callback(session.close)
        return clock.locks_of(session)

    async def see(self) -> None:
        """Read all rows of orders, and look at what must hold at every moment."""
        rows, told = await self.db(_read, [tenant.key for tenant in self.tenants])
        for tenant in self.tenants:
            tenant.rows = rows.get(tenant.key, {})
            tenant.told = {conid for key, conid in told if key == tenant.key}
            self.watcher(tenant)


def _read(keys: list[int]) -> tuple[dict[int, dict[str, Order]], set[tuple[int, int]]]:
    """The orders of connections by their references, and for which contracts of which somebody is told of a missing stop."""
    rows: dict[int, dict[str, Order]] = {}
    for order in Order.objects.filter(connection__in=keys).only(*_READ).order_by("pk"):
        rows.setdefault(order.connection_id, {})[order.reference] = order
    alarms = Lapse.objects.filter(account__connection__in=keys, ended_at=None, alarm=True)
    return rows, set(alarms.values_list("account__connection", "conid"))


def _connected(team: Team, url: str, stocks: tuple[int, ...], resends: str, region: Region) -> Connection:
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
    Connection.objects.filter(pk=connection.pk).update(resends=resends, region=region)
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
async def opened(watcher: Callable[[Tenant], None], weather: Weather) -> AsyncIterator[World]:
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
        loop = asyncio.get_running_loop()
        stack.enter_context(lanes_here(lambda reserved: loop.call_soon_threadsafe(worker.reserve, reserved)))
        stream = processes.Stream(ways, clock.locks_of(sessions[1]), threads)
        world = World(gateway, url, worker, stream, watcher, weather)
        stack.push_async_callback(world.stack.aclose)
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
