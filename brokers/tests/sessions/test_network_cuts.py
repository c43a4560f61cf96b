"""The network is cut for ten minutes of the product's clock: what is said of it, and what becomes of orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from accounts.models import Team
from brokers import ibkr
from brokers.models import Connection, Execution, Order
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.cable import Cable, Cut, free_port, plugged_in
from brokers.tests.neighbours import status
from brokers.tests.pace.conftest import OwnValkey, _a_valkey, valkey
from brokers.tests.sessions.test_clock_jumps import Clock
from brokers.tests.sessions.watched import events, until_shown

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["_a_valkey", "valkey"]
TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def port(settings: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """Where the cable begins; who waits for an answer gives up within moments."""
    patience = aiohttp.ClientTimeout(total=1)
    monkeypatch.setattr("brokers.ibkr.lines.wire.READ_TIMEOUT", patience)
    monkeypatch.setattr("brokers.ibkr.lines.wire.WRITE_TIMEOUT", patience)
    monkeypatch.setattr("brokers.ibkr.stream.SILENCE", 2.0)
    settings.KEEP_SECONDS = 1
    made = free_port()
    settings.GATEWAY_URL = f"http://127.0.0.1:{made}"
    return made


@pytest.fixture
def bench(team: Team, gateway: RunningGateway, port: int, settings: Any) -> lab.Lab:
    """Signed in directly; from then on all goes through the cable."""
    through = settings.GATEWAY_URL
    settings.GATEWAY_URL = gateway.url
    made = lab.make(team, gateway)
    settings.GATEWAY_URL = through
    return made


@asynccontextmanager
async def running(bench: lab.Lab, port: int, clock: Clock) -> AsyncIterator[Cable]:
    async with plugged_in(bench.gateway.port, port) as cable, lab.watching(clock=clock), lab.working(clock=clock):
        await until_shown(bench.connection, "active")
        yield cable


async def made(bench: lab.Lab, clock: Clock, minutes: int, **values: Any) -> Order:
    until = clock() + timedelta(minutes=minutes)
    return await asyncio.to_thread(lab.asked, lambda: bench.order(created_at=clock(), expires_at=until, **values))


@pytest.mark.parametrize("how", [Cut.REFUSED, Cut.SWALLOWED])
def test_it_is_said_and_no_order_is_lost_or_doubled(bench: lab.Lab, port: int, how: Cut) -> None:
    clock = Clock()
    orders: dict[str, Order] = {}

    async def story() -> None:
        async with running(bench, port, clock) as cable:
            orders["rests"] = await made(bench, clock, 60, type="limit", limit_price=Decimal("1.00"))
            orders["fills"] = await made(bench, clock, 60)
            await lab.until(lambda: status(orders["fills"]) == "filled", "the first one is filled")
            await lab.until(lambda: status(orders["rests"]) == "accepted", "the second one works")

            await cable.cut(how)
            await until_shown(bench.connection, "unreachable", "not-reached")
            orders["late"] = await made(bench, clock, 1)
            orders["way out"] = await made(bench, clock, 60, role="exit", side="sell")
            # It fills while nobody of us can hear of it.
            await asyncio.to_thread(bench.gateway.quote, "AAPL", bid="0.90", ask="0.95", last="0.95")
            await lab.until(
                lambda: bench.gateway.books(bench.user)[orders["rests"].reference]["status"] == "Filled", "it fills"
            )
            clock.jumped += TEN_MINUTES
            await lab.until(lambda: status(orders["late"]) == "expired", "what is too late ends")
            assert await asyncio.to_thread(lab.asked, lambda: status(orders["way out"])) == "created"

            await cable.mend()
            await until_shown(bench.connection, "active", within=60)
            await lab.until(lambda: status(orders["rests"]) == "filled", "its fill comes home")
            await lab.until(lambda: status(orders["way out"]) == "filled", "the way out leaves")

    try:
        asyncio.run(story())
    finally:
        bench.gateway.clear_quotes()
    seen = events(bench.connection)
    assert [event for event in seen if event[0] == "unreachable"] == [("unreachable", "not-reached")]
    assert {status for status, _ in seen} <= {"active", "unreachable", "connecting"}
    row = Connection.objects.get(pk=bench.connection.pk)
    assert (row.session_tries, row.next_try_at) == (0, None)
    late = Order.objects.get(pk=orders["late"].pk)
    assert "could not leave within 60 seconds" in late.reason
    assert len(bench.posts()) == 3
    assert {order.reference for order in orders.values()} - bench.gateway.books(bench.user).keys() == {late.reference}
    assert Execution.objects.count() == 3


@pytest.mark.parametrize("how", [Cut.DEAF, Cut.SWALLOWED])
def test_an_order_on_its_way_is_found_or_never_was_and_is_not_sent_again(bench: lab.Lab, port: int, how: Cut) -> None:
    clock = Clock()
    order: list[Order] = []

    async def story() -> None:
        async with running(bench, port, clock) as cable:
            await cable.cut(how)
            order.append(await made(bench, clock, 5))
            # It left by a session that was believed, or it waits for one.
            await until_shown(bench.connection, "unreachable", "not-reached")
            clock.jumped += TEN_MINUTES
            await lab.until(lambda: status(order[0]) in {"unknown", "expired"}, "nobody knows, or it is too late")
            await cable.mend()
            await until_shown(bench.connection, "active", within=60)
            at_ibkr = order[0].reference in await asyncio.to_thread(bench.gateway.books, bench.user)
            ends = {"filled"} if at_ibkr else {"unknown", "expired"}
            await lab.until(lambda: status(order[0]) in ends, "what became of it is known")

    asyncio.run(story())
    assert len(bench.posts()) == len(bench.gateway.books(bench.user)) <= 1
    assert how is Cut.DEAF or bench.posts() == []


def test_the_back_off_begins_anew_after_each_cut(bench: lab.Lab, port: int) -> None:
    clock = Clock()
    tries: list[int] = []

    async def story() -> None:
        async with running(bench, port, clock) as cable:
            for _ in range(2):
                await cable.cut(Cut.REFUSED)
                await until_shown(bench.connection, "unreachable", "not-reached")
                row = Connection.objects.filter(pk=bench.connection.pk, session_tries__gte=3)
                await lab.until(row.exists, "it is asked more and more seldom")
                clock.jumped += TEN_MINUTES
                await cable.mend()
                await until_shown(bench.connection, "active", within=60)
                shown = Connection.objects.values_list("session_tries", flat=True)
                tries.append(await asyncio.to_thread(lab.asked, lambda: shown.get(pk=bench.connection.pk)))  # noqa: B023

    asyncio.run(story())
    assert tries == [0, 0]


def test_a_valkey_that_is_emptied_in_the_middle_costs_no_order(bench: lab.Lab, port: int, valkey: OwnValkey) -> None:
    clock = Clock()
    orders: list[Order] = []

    async def story() -> None:
        async with ibkr.EGRESS.sharing(valkey.url), running(bench, port, clock) as cable:
            orders.append(await made(bench, clock, 60))
            await lab.until(lambda: status(orders[0]) == "filled", "the first one is filled")
            valkey.client.flushall()
            orders.append(await made(bench, clock, 60))
            await cable.cut(Cut.REFUSED)
            valkey.client.flushall()
            orders.append(await made(bench, clock, 60))
            await until_shown(bench.connection, "unreachable", "not-reached")
            await cable.mend()
            await until_shown(bench.connection, "active", within=60)
            await lab.until(lambda: {status(order) for order in orders} == {"filled"}, "all are filled", 40)

    asyncio.run(story())
    assert len(bench.posts()) == len(bench.gateway.books(bench.user)) == 3
