"""What a gateway remembers does not grow with the orders that it has taken, however long it runs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from brokers.simulator.behaviour import preset
from brokers.simulator.books.load import Books
from brokers.simulator.books.store import Store
from brokers.simulator.exchange import fills, register
from brokers.simulator.gateway import users
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.server.edge import Edge
from brokers.simulator.testing.remembered import remembered

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS, ROUNDS = 100, 7
NAME = "grows"


@dataclass
class Trader:
    """Somebody who trades at a gateway in this process, and hears what it tells."""

    gateway: Gateway
    session: aiohttp.ClientSession
    url: str
    account: str
    number: int = 0

    async def trade(self, count: int) -> None:
        """Buy and sell a share in turn, so many times, until all of it has filled."""
        for _ in range(count):
            self.number += 1
            side = "BUY" if self.number % 2 else "SELL"
            order = {"conid": 265598, "side": side, "orderType": "MKT", "tif": "DAY", "quantity": 1}
            body = {"orders": [{**order, "cOID": f"order-{self.number}"}]}
            async with self.session.post(f"{self.url}/iserver/account/{self.account}/orders", json=body) as answer:
                assert "order_id" in (await answer.json())[0]
        await self.gateway.store.durable()


@contextlib.asynccontextmanager
async def trading() -> AsyncIterator[Trader]:
    gateway = Gateway(preset("fast", ""), Store(), Books(), seed=1)
    runner = web.AppRunner(Edge(gateway, control_token="a-token").app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    url = f"http://127.0.0.1:{port}/u/{NAME}/v1/api"
    # The loop keeps a time limit for a while after its request.
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        async with session.post(f"{url}/iserver/auth/ssodh/init", json={"publish": True, "compete": True}):
            pass
        async with session.get(f"{url}/iserver/accounts") as answer:
            [account] = (await answer.json())["accounts"]
        async with session.ws_connect(f"ws://127.0.0.1:{port}/u/{NAME}/v1/api/ws") as socket:
            await socket.send_str("sor+{}")
            await socket.send_str('str+{"realtimeUpdatesOnly":true}')
            hearing = asyncio.create_task(_hear(socket))
            yield Trader(gateway, session, url, account)
            hearing.cancel()
    await runner.cleanup()
    await gateway.store.close()


async def _hear(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


async def test_what_is_remembered_does_not_grow_with_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "MOST_FINISHED", 10)
    monkeypatch.setattr(register, "MOST_FILLS", 20)
    monkeypatch.setattr(fills, "UNPACKED", 5)
    monkeypatch.setattr(users, "_KEPT", 20)
    async with trading() as trader:
        seen = []
        for _ in range(ROUNDS):
            await trader.trade(ORDERS)
            trader.gateway.engine.shorten(trader.gateway.clock())
            seen.append(remembered())
        assert len(trader.gateway.engine.executions[trader.account]) == 20
    # The first orders warm it up. Timers of the loop come and go by the hundred, so that the middle of the rounds counts.
    grown = [after - before for before, after in itertools.pairwise(seen[1:])]
    assert statistics.median(grown) < ORDERS / 10
