"""From a decision to its order's POST, beside a tenant whose gateway is slow, and how long an order stays in doubt.

    python -m benchmarks.bench_orders [--seconds 30] [--rate 20] [--connections 20] [--rounds 3] [--doubts 40]
    python -m benchmarks.bench_orders --seconds 0 --fan 1000 [--latency-ms 250]

Lanes and streams run in this process, the simulated IBKR in another. The start is the moment that a decision's ticket is
opened with, the end is the moment the order's POST arrived at IBKR; both clocks are this machine's. The baseline of the
same run is a bare POST of the same order. For the slow tenant, rounds with and without it take turns. Doubts are those of
a paper account, by the terms that hold for real ones: half of the orders never arrived, of the others the answer was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.goals import Figure, note
from benchmarks.servers import migrated_database
from benchmarks.trading import fan
from benchmarks.trading import tenants as who
from benchmarks.trading.tenants import AAPL, Tenant

if TYPE_CHECKING:
    from brokers.simulator.testing.gateway import RunningGateway

# A gateway that answers after this long, and how often its tenant places an order.
SLOW_MS, SLOW_EVERY = 10_000, 1.0
SETTLED_WITHIN = 180.0


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="0: the fan alone")
    parser.add_argument("--rate", type=float, default=20, help="orders a second")
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3, help="with and without a tenant whose gateway is slow")
    parser.add_argument("--doubts", type=int, default=40)
    parser.add_argument("--fan", type=int, default=100, help="one signal to so many connections")
    parser.add_argument("--latency-ms", type=int, default=250, help="what an order takes at the broker of the fan")
    options = parser.parse_args(argv)
    with migrated_database():
        from django.conf import settings

        from brokers.simulator.testing.gateway import running_gateway

        with running_gateway() as gateway:
            settings.GATEWAY_URL, settings.SIM_CONTROL_TOKEN = gateway.url, gateway.token
            asyncio.run(measure(gateway, options))


async def measure(gateway: RunningGateway, options: argparse.Namespace) -> None:
    from brokers.tests import lab

    team = await asyncio.to_thread(who.team)
    if options.seconds:
        await ways(gateway, team, options)
    if not options.fan:
        return
    tenants = [await asyncio.to_thread(who.tenant, team, gateway, f"fan{n}") for n in range(options.fan)]
    async with lab.working(linger=3600.0):
        fan.report(await fan.fan(gateway, tenants, options.latency_ms), options.fan, options.latency_ms)


async def ways(gateway: RunningGateway, team: Any, options: argparse.Namespace) -> None:
    tenants = [await asyncio.to_thread(who.tenant, team, gateway, f"bench{n}") for n in range(options.connections)]
    slow = await asyncio.to_thread(who.tenant, team, gateway, "slow")
    doubtful = [await asyncio.to_thread(who.paper, team, gateway, f"doubt{n}") for n in range(min(options.doubts, 20))]
    async with at_work():
        await placed(tenants, len(tenants) / options.rate, options.rate)
        alone: list[float] = []
        beside: list[float] = []
        for _ in range(options.rounds):
            alone += await timed(gateway, tenants, options)
            async with slowed(gateway, slow):
                beside += await timed(gateway, tenants, options)
        bare = await asyncio.to_thread(bare_posts, gateway, tenants[0])
        waits = await doubts(gateway, doubtful, options.doubts)
    report(alone, beside, bare, waits, options)


def report(
    alone: list[float],
    beside: list[float],
    bare: list[float],
    waits: dict[str, list[float]],
    options: argparse.Namespace,
) -> None:
    p50, p99, base = percentile(alone, 0.5), percentile(alone, 0.99), percentile(bare, 0.5)
    with_slow = percentile(beside, 0.99)
    what = "decision to POST, p99 beside a slow tenant"
    note(Figure(what=what, figure=with_slow, unit="ms", goal=1.1 * p99, baseline=p99))
    print(
        f"decision to order on the wire, {options.rate:.0f} orders/s over {options.connections} connections: "
        f"{len(alone)} orders",
        f"  p50 {p50:.1f} ms, p99 {p99:.1f} ms, slowest {max(alone):.0f} ms",
        f"  bare POST of an order: p50 {base:.1f} ms; from decision to wire is {p50 / base:.1f} times that",
        f"beside a tenant whose gateway answers after {SLOW_MS / 1000:.0f} s: {len(beside)} orders",
        f"  p50 {percentile(beside, 0.5):.1f} ms, p99 {with_slow:.1f} ms, {with_slow / p99:.2f} times that without it"
        " (goal: below 1.1)",
        sep="\n",
    )
    for name, seconds in waits.items():
        print(
            f"in doubt, {name}: {len(seconds)} orders settled, p50 {percentile(seconds, 0.5):.1f} s,"
            f" p99 {percentile(seconds, 0.99):.1f} s"
        )


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# Orders --------------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def at_work() -> AsyncIterator[None]:
    from brokers.tests import lab

    async with lab.watching(), lab.working(linger=3600.0):
        yield


async def placed(tenants: Sequence[Tenant], seconds: float, rate: float) -> list[Any]:
    """Decide evenly, one order after the other, each of another tenant; the orders, once all have been answered."""
    began, orders = time.monotonic(), []
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        orders.append(asyncio.create_task(asyncio.to_thread(who.decide, tenants[number % len(tenants)])))
    made = [await each for each in orders]
    await _answered(made)
    return made


async def _answered(orders: Sequence[Any]) -> None:
    from brokers.models import Order
    from brokers.tests import lab

    waiting = Order.objects.filter(pk__in=[order.pk for order in orders], status__in=["created", "submitted"])
    await lab.until(lambda: not waiting.exists(), "all orders have left", within=60.0)


async def timed(gateway: RunningGateway, tenants: Sequence[Tenant], options: argparse.Namespace) -> list[float]:
    """Milliseconds from each decision to the arrival of its order."""
    orders = await placed(tenants, options.seconds, options.rate)
    arrived = await asyncio.to_thread(fan.arrivals, gateway, tenants)
    return [(arrived[order.reference] - order.created_at.timestamp()) * 1000 for order in orders]


@contextlib.asynccontextmanager
async def slowed(gateway: RunningGateway, tenant: Tenant) -> AsyncIterator[None]:
    """Meanwhile one tenant's gateway takes its time over everything, and the tenant goes on deciding."""
    match = {"user": tenant.connection.username}
    await asyncio.to_thread(gateway.fault, action={"delay_ms": SLOW_MS}, match=match, times=None, ttl_s=3600)

    async def decide_on() -> None:
        while True:
            await asyncio.to_thread(who.decide, tenant)
            await asyncio.sleep(SLOW_EVERY)

    task = asyncio.create_task(decide_on())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(gateway.clear_faults)


def bare_posts(gateway: RunningGateway, tenant: Tenant) -> list[float]:
    """Milliseconds of an order's POST sent by hand, one after the other."""
    milliseconds = []
    for number in range(30):
        ticket = {"acctId": tenant.account.account_id, "conid": AAPL, "orderType": "LMT", "price": 1, "side": "BUY"}
        ticket |= {"tif": "DAY", "quantity": 1, "cOID": f"bare-{time.time_ns()}-{number}"}
        path = f"/iserver/account/{tenant.account.account_id}/orders"
        started = time.perf_counter()
        gateway.call(tenant.connection.username, "POST", path, {"orders": [ticket]})
        milliseconds.append((time.perf_counter() - started) * 1000)
    return milliseconds


# Doubts --------------------------------------------------------------------------------------------------------------


async def doubts(gateway: RunningGateway, tenants: Sequence[Tenant], count: int) -> dict[str, list[float]]:
    """Seconds for which orders were in doubt, by what had become of them."""
    names = {"before": "never arrived", "after": "arrived, and the answer was lost"}
    waits: dict[str, list[float]] = {name: [] for name in names.values()}
    for begin in range(0, count, len(tenants)):
        for part, tenant in _parts(tenants[: count - begin]):
            match = {**fan.PLACE, "user": tenant.connection.username}
            await asyncio.to_thread(gateway.fault, action={"drop_connection": True}, phase=part, match=match)
        orders = {}
        for part, tenant in _parts(tenants[: count - begin]):
            orders[await asyncio.to_thread(who.decide, tenant)] = names[part]
        for order, seconds in (await _settled(list(orders))).items():
            waits[orders[order]].append(seconds)
    return {name: seconds for name, seconds in waits.items() if seconds}


def _parts(tenants: Sequence[Tenant]) -> Iterator[tuple[str, Tenant]]:
    for number, tenant in enumerate(tenants):
        yield ("before", "after")[number % 2], tenant


async def _settled(orders: list[Any]) -> dict[Any, float]:
    """Seconds for which each order was in doubt, once nobody doubts any of them; zero where the stream told of it sooner."""
    from brokers.models import Order, OrderEvent
    from brokers.tests import lab

    open_still = Order.objects.filter(
        pk__in=[order.pk for order in orders], status__in=["created", "submitted", "unknown"]
    )
    await lab.until(lambda: not open_still.exists(), "all doubts are settled", within=SETTLED_WITHIN)
    events = OrderEvent.objects.filter(order__in=orders)

    def spans() -> dict[int, float]:
        began = dict(events.filter(new="unknown").order_by("-pk").values_list("order", "at"))
        ended = dict(events.filter(old="unknown").order_by("-pk").values_list("order", "at"))
        return {key: (at - began[key]).total_seconds() for key, at in ended.items()}

    seconds = await asyncio.to_thread(lab.asked, spans)
    return {order: seconds.get(order.pk, 0.0) for order in orders}


if __name__ == "__main__":
    main()
