"""`python -m brokers.simulator.bench`: what one gateway costs, by orders (the default) or by idle sessions.

The figure for idle sessions is compared with a piece of work of known size, done in the same run on the same machine:
other work beside it slows both alike.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from brokers.simulator.testing.gateway import RunningGateway, running_gateway


@dataclass
class Tally:
    """What was seen."""

    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    deltas: int = 0
    fills: int = 0


def cpu_seconds(gateway: RunningGateway) -> float:
    assert gateway.process is not None
    fields = Path(f"/proc/{gateway.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def trade(gateway: RunningGateway, users: list[str], rate: float, seconds: float) -> Tally:
    """Send orders at a steady rate without waiting for answers, while every user listens."""
    tally = Tally()
    accounts = {user: gateway.sign_in(user) for user in users}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        listeners = [asyncio.create_task(listen(session, gateway, user, tally)) for user in users]
        await asyncio.sleep(0.5)
        begun = time.perf_counter()
        sent = []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            user = users[number % len(users)]
            sent.append(asyncio.create_task(order(session, gateway, user, accounts[user], number, tally)))
        await asyncio.gather(*sent)
        await asyncio.sleep(0.5)
        for listener in listeners:
            listener.cancel()
    return tally


async def listen(session: aiohttp.ClientSession, gateway: RunningGateway, user: str, tally: Tally) -> None:
    async with session.ws_connect(gateway.ws_url(user)) as socket:
        await socket.send_str("sor+{}")
        await socket.send_str('str+{"realtimeUpdatesOnly":true}')
        async for message in socket:
            tally.deltas += '"topic":"sor"' in message.data
            tally.fills += '"execution_id"' in message.data


async def order(
    session: aiohttp.ClientSession, gateway: RunningGateway, user: str, account: str, number: int, tally: Tally
) -> None:
    ticket = {
        "conid": 265598,
        "side": "BUY" if number // 50 % 2 else "SELL",
        "orderType": "MKT",
        "tif": "DAY",
        "quantity": 1,
        "cOID": f"bench-{number}",
    }
    begun = time.perf_counter()
    url = f"{gateway.base_url(user)}/iserver/account/{account}/orders"
    async with session.post(url, json={"orders": [ticket]}) as answer:
        body = await answer.json()
    tally.latencies.append((time.perf_counter() - begun) * 1000)
    tally.failed += not (isinstance(body, list) and "order_id" in body[0])


async def sign_in_all(session: aiohttp.ClientSession, gateway: RunningGateway, users: list[str]) -> None:
    """Open every session, some at a time."""
    gate = asyncio.Semaphore(20)

    async def sign_in(user: str) -> None:
        async with gate:
            base = gateway.base_url(user)
            async with session.post(
                f"{base}/iserver/auth/ssodh/init", json={"publish": True, "compete": True}
            ) as answer:
                await answer.read()

    await asyncio.gather(*(sign_in(user) for user in users))


async def idle(
    gateway: RunningGateway, users: list[str], seconds: float, every_s: float, *, listening: bool
) -> tuple[int, float, float]:
    """Keep signed-in sessions alive: tickles answered, and the seconds of processor and wall time they took."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, contextlib.AsyncExitStack() as open_sockets:
        await sign_in_all(session, gateway, users)
        for user in users if listening else []:
            await open_sockets.enter_async_context(session.ws_connect(gateway.ws_url(user)))
        before, begun = cpu_seconds(gateway), time.perf_counter()
        pause, answered = every_s / len(users), 0
        for number in range(int(seconds / pause)):
            await asyncio.sleep(max(0.0, begun + number * pause - time.perf_counter()))
            async with session.post(f"{gateway.base_url(users[number % len(users)])}/tickle") as answer:
                body = await answer.json()
            answered += body["iserver"]["authStatus"]["authenticated"] is True
        return answered, cpu_seconds(gateway) - before, time.perf_counter() - begun


def known_work() -> float:
    """The processor seconds of a piece of work of known size: 200,000 rounds of hashing."""
    begun, value = time.process_time(), b"halyard"
    for _ in range(200_000):
        value = hashlib.sha256(value).digest()
    return time.process_time() - begun


def measure_idle(sessions: int, seconds: float, every_s: float, database: str, *, listening: bool) -> str:
    """One line about sessions that do nothing but stay alive."""
    with running_gateway("fast", database=database, behaviour={"heartbeat_s": 10}) as gateway:
        users = [f"idle{i}" for i in range(sessions)]
        unit = known_work()
        answered, cpu, wall = asyncio.run(idle(gateway, users, seconds, every_s, listening=listening))
        unit = (unit + known_work()) / 2
    return (
        f"{sessions} idle sessions{' with a websocket each' if listening else ''}, a tickle every {every_s:.0f} s each: {answered} tickles answered in {wall:.0f} s, "
        f"{cpu / wall:.1%} of a core, {cpu / max(answered, 1) * 1000:.2f} ms a tickle with everything else, "
        f"{cpu / wall * 60 / unit:.1f} times the known work a minute ({unit:.2f} s each)\n"
    )


def main() -> None:
    """Run and print one line of figures."""
    parser = argparse.ArgumentParser(prog="python -m brokers.simulator.bench", description=__doc__)
    parser.add_argument("--idle", type=int, default=0, metavar="SESSIONS", help="measure idle sessions instead")
    parser.add_argument("--sockets", action="store_true", help="let every idle session hold a websocket as well")
    parser.add_argument("--every", type=float, default=60, help="seconds between two tickles of an idle session")
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--database", default="", help="a Postgres URL; SQLite otherwise")
    arguments = parser.parse_args()
    if arguments.idle:
        sys.stdout.write(
            measure_idle(
                arguments.idle, arguments.seconds, arguments.every, arguments.database, listening=arguments.sockets
            )
        )
        return
    with running_gateway("fast", database=arguments.database) as gateway:
        users = [f"bench{i}" for i in range(arguments.users)]
        before, begun = cpu_seconds(gateway), time.perf_counter()
        tally = asyncio.run(trade(gateway, users, arguments.rate, arguments.seconds))
        wall, cpu = time.perf_counter() - begun, cpu_seconds(gateway) - before
        commits = gateway.control("GET", "/counters")["commits"]
    ranked = sorted(tally.latencies)
    sys.stdout.write(
        f"{len(ranked)} orders at {arguments.rate:.0f}/s from {arguments.users} users: {tally.failed} refused, "
        f"p50 {statistics.median(ranked):.1f} ms, p99 {ranked[int(len(ranked) * 0.99)]:.1f} ms, "
        f"{tally.deltas} order messages, {tally.fills} fills told, {commits} commits, "
        f"{cpu / len(ranked) * 1000:.2f} ms of CPU an order ({cpu / wall:.0%} of a core)\n"
    )


if __name__ == "__main__":
    main()
