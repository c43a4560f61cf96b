"""One signal to many connections: how soon the last order of all has reached IBKR, and how many are under way at once."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp

from benchmarks.goals import Figure, note
from benchmarks.trading.tenants import AAPL, Tenant, decide_all

if TYPE_CHECKING:
    from brokers.simulator.testing.gateway import RunningGateway

GOAL_SECONDS, GOAL_SHARE = 2.0, 0.8
PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}


@dataclass(frozen=True, slots=True)
class Fan:
    """Seconds from the commit until the last POST arrived; the most that were under way at once; processor seconds of
    this process, lanes and all, for each order."""

    last: float
    at_once: int
    processor: float


async def fan(gateway: RunningGateway, tenants: Sequence[Tenant], latency_ms: int) -> dict[str, Fan]:
    """Of bare POSTs, of lanes that begin, and of lanes that are there."""
    await asyncio.to_thread(gateway.fault, action={"delay_ms": latency_ms}, match=PLACE, times=None, ttl_s=3600)
    try:
        fans = {"bare POSTs": await bare(gateway, tenants, latency_ms)}
        for name in ("lanes that begin", "lanes that are there"):
            fans[name] = await lanes(gateway, tenants, latency_ms)
    finally:
        await asyncio.to_thread(gateway.clear_faults)
    return fans


def report(fans: dict[str, Fan], count: int, latency_ms: int) -> None:
    base = fans["bare POSTs"].last
    print(f"one signal to {count} connections, each of whose orders takes {latency_ms} ms:")
    for name, each in fans.items():
        share = f", {base / each.last:.2f} of the bare rate (goal {GOAL_SHARE})" if name != "bare POSTs" else ""
        print(
            f"  {name}: last POST after {each.last:.2f} s (goal {GOAL_SECONDS:.0f} for 1,000), {each.at_once} at once"
            f"{share}; {each.processor * 1000:.1f} ms of processor an order"
        )
    last = fans["lanes that are there"].last
    what = f"one signal to {count} connections, last POST"
    note(Figure(what=what, figure=last, unit="s", goal=GOAL_SECONDS * count / 1000, baseline=base))


async def lanes(gateway: RunningGateway, tenants: Sequence[Tenant], latency_ms: int) -> Fan:
    from brokers.models import Order
    from brokers.tests import lab

    busy = time.process_time()
    keys, began = await asyncio.to_thread(decide_all, tenants)
    waiting = Order.objects.filter(pk__range=(min(keys), max(keys)), status__in=["created", "submitted"])
    # Asked seldom: it is the lanes' process that asks.
    await lab.until(lambda: not waiting.exists(), "all orders have left", within=120.0, every=latency_ms / 1000)
    busy = time.process_time() - busy
    left = await asyncio.to_thread(
        lab.asked, lambda: set(Order.objects.filter(pk__in=keys).values_list("reference", flat=True))
    )
    return _fan(await asyncio.to_thread(arrivals, gateway, tenants), left, began, latency_ms, busy)


async def bare(gateway: RunningGateway, tenants: Sequence[Tenant], latency_ms: int) -> Fan:
    """Every order sent at once by a bare client, each over a connection of its own."""
    references = {f"bare-{time.time_ns()}-{number}": tenant for number, tenant in enumerate(tenants)}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

        async def send(reference: str, tenant: Tenant) -> None:
            account = urllib.parse.quote(tenant.account.account_id)
            ticket = {"acctId": account, "conid": AAPL, "orderType": "LMT", "price": 1, "side": "BUY"}
            ticket |= {"tif": "DAY", "quantity": 1, "cOID": reference}
            address = f"{gateway.base_url(tenant.connection.username)}/iserver/account/{account}/orders"
            async with client.post(address, json={"orders": [ticket]}) as answer:
                await answer.read()

        began, busy = time.time(), time.process_time()
        await asyncio.gather(*(send(*each) for each in references.items()))
        busy = time.process_time() - busy
    return _fan(await asyncio.to_thread(arrivals, gateway, tenants), set(references), began, latency_ms, busy)


def _fan(arrived: dict[str, float], sent: set[str], began: float, latency_ms: int, busy: float) -> Fan:
    moments = sorted(arrived[reference] for reference in sent)
    assert len(moments) == len(sent), "some orders have not arrived"
    at_once = max(sum(moment <= other < moment + latency_ms / 1000 for other in moments) for moment in moments)
    return Fan(moments[-1] - began, at_once, busy / len(moments))


def arrivals(gateway: RunningGateway, tenants: Sequence[Tenant]) -> dict[str, float]:
    """When each reference reached IBKR first, in epoch seconds."""
    first: dict[str, float] = {}
    for tenant in tenants:
        for entry in gateway.journal(tenant.connection.username, method="POST"):
            if entry["path"].endswith("/orders"):
                for ticket in json.loads(entry["body"])["orders"]:
                    first.setdefault(ticket["cOID"], moment(entry["at"]))
    return first


def moment(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else datetime.fromisoformat(value).timestamp()
