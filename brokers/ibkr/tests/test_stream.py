"""The live stream, from the gateway's socket to facts."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.brokerage import BrokerUnavailable, ExecutionFacts, OrderFacts
from brokers.domain.orders import OrderStatus
from brokers.domain.session.feed import FeedEvent
from brokers.domain.sessions import Login
from brokers.ibkr import IbkrBrokerage, IbkrFeed, connect, listen, stream
from brokers.ibkr.tests.conftest import leg


@pytest.fixture
async def feed(login: Login, brokerage: IbkrBrokerage) -> AsyncIterator[IbkrFeed]:
    opened = listen(login)
    yield opened
    await opened.close()


async def until(events: AsyncIterator[FeedEvent], kind: str, *, within: float = 5) -> FeedEvent:
    """The next event with this part filled."""
    async with asyncio.timeout(within):
        async for event in events:
            if getattr(event, kind):
                return event
    raise AssertionError(f"The stream ended before it told of {kind}.")


async def test_it_tells_of_a_fill(brokerage: IbkrBrokerage, account: str, feed: IbkrFeed) -> None:
    events = feed.events()
    signed_in = await until(events, "auth")
    assert signed_in.auth is not None
    assert signed_in.auth.ready
    await brokerage.submit(account, [leg("hy-1")])
    orders: list[OrderFacts] = []
    fills: list[ExecutionFacts] = []
    async with asyncio.timeout(5):
        while not (fills and any(order.status is OrderStatus.FILLED for order in orders)):
            event = await anext(events)
            orders += event.orders
            fills += event.executions
    assert {order.reference for order in orders} <= {"hy-1", None}
    [fill] = fills
    assert (fill.reference, fill.account_id, fill.quantity) == ("hy-1", account, Decimal(5))
    await events.aclose()


async def test_it_replays_the_days_fills_to_a_new_socket(brokerage: IbkrBrokerage, account: str, login: Login) -> None:
    await brokerage.submit(account, [leg("hy-1")])
    feed = listen(login)
    events = feed.events()
    event = await until(events, "executions")
    assert [fill.reference for fill in event.executions] == ["hy-1"]
    await events.aclose()
    await feed.close()


async def test_it_tells_when_another_login_takes_the_session(gateway: Any, login: Login, feed: IbkrFeed) -> None:
    events = feed.events()
    await until(events, "auth")
    gateway.steal(login.username)
    taken = await until(events, "auth")
    assert taken.auth is not None
    assert not taken.auth.ready
    assert taken.auth.competing
    await events.aclose()


async def test_it_ends_when_the_socket_is_cut(gateway: Any, login: Login, feed: IbkrFeed) -> None:
    events = feed.events()
    await until(events, "auth")
    gateway.close_sockets(login.username)
    async with asyncio.timeout(5):
        assert [event async for event in events if event.auth] == []


async def test_it_ends_when_the_stream_falls_silent(login: Login, brokerage: IbkrBrokerage) -> None:
    feed = listen(login, silence=0.2)
    async with asyncio.timeout(5):
        seen = [event async for event in feed.events()]
    assert seen
    await feed.close()


async def test_it_ends_when_it_is_closed(feed: IbkrFeed) -> None:
    events = feed.events()
    await until(events, "auth")
    await feed.close()
    async with asyncio.timeout(5):
        assert [event async for event in events if event.auth] == []


async def test_it_says_when_it_cannot_open(login: Login) -> None:
    feed = listen(replace(login, base_url="http://127.0.0.1:9/v1/api"))
    with pytest.raises(BrokerUnavailable):
        await anext(feed.events())
    await feed.close()


@pytest.fixture
def beating() -> Iterator[Any]:
    """A gateway whose streams beat many times a second."""
    testing = importlib.import_module("brokers.simulator.testing.gateway")
    with testing.running_gateway("fast", behaviour={"heartbeat_s": 0.02}) as running:
        yield running


async def test_beats_that_nobody_needs_are_no_events_and_all_else_still_is(
    beating: Any, login: Login, servers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BEATS_APART", 0.0)
    login = replace(login, base_url=beating.base_url(login.username))
    broker = connect(login)
    await broker.open_session()
    [facts] = await broker.accounts()
    taken, asked = 0, asyncio.Event()

    def heard() -> bool:
        nonlocal taken
        taken += 1
        if taken >= 20:
            asked.set()
        return True

    feed = listen(login, silence=2.0)
    feed.on_beat(heard)
    events = feed.events()
    # Beats come fast enough that all this takes a moment; on a slow machine the gateway's first orders take longer.
    filled = asyncio.create_task(until(events, "executions", within=60))
    async with asyncio.timeout(60):
        await asked.wait()
    await broker.submit(facts.account_id, [leg("hy-beats")])
    assert [fill.reference for fill in (await filled).executions] == ["hy-beats"]
    # From now on somebody listens closely, and a beat is an event again.
    feed.on_beat(lambda: False)
    assert (await until(events, "heartbeat", within=60)).heartbeat
    await events.aclose()
    await feed.close()
    await broker.close()
