"""What keeping sessions alive costs: processor time of a tickle in one process, with and without the shared pace.

    python -m benchmarks.bench_sessions [--sessions 1000]

The simulated gateway and Valkey are processes of their own and are not counted; what the watch does beside tickling
(its row, its live stream, the book) is not measured here.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from redis.asyncio import Redis

from benchmarks.goals import Figure, note
from brokers import ibkr
from brokers.domain.addresses import Reach
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.pacing import Egress
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from config import embedded

KEEP_SECONDS = 55.0
GOAL_SESSIONS, GOAL_SHARE = 10_000, 0.20
AT_ONCE = 50


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    sessions = parser.parse_args(argv).sessions
    with (
        tempfile.TemporaryDirectory(prefix="halyard-bench-") as folder,
        embedded.start(Path(folder), database=False),
        running_gateway() as gateway,
    ):
        asyncio.run(measure(gateway, embedded.urls(Path(folder)).redis, sessions))


async def measure(gateway: RunningGateway, valkey: str, sessions: int) -> None:
    reach = Reach(networks=(ipaddress.ip_network("127.0.0.0/8"),), ports=((1024, 65535),))
    async with ibkr.new_http(reach) as http:
        shares: list[float] = []
        for environment in (Environment.SIMULATED, Environment.PAPER):
            egress = Egress()
            async with egress.sharing(valkey), Redis.from_url(valkey) as client:
                await asyncio.sleep(1.2)
                brokers = [ibkr.connect(_login(gateway, n, environment), http, egress=egress) for n in range(sessions)]
                await _tickle(brokers)
                await asyncio.sleep(1.2)
                cpu, wall = time.process_time(), time.perf_counter()
                await _tickle(brokers)
                cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
                for broker in brokers:
                    await broker.close()
                turns = (await client.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0)
            what = f"with a turn of the shared pace ({turns} round trips in both rounds)" if turns else "without a pace"
            shares.append(cpu / sessions * GOAL_SESSIONS / KEEP_SECONDS)
            print(
                f"tickle {what}: {cpu / sessions * 1e6:.0f} us of processor each, {sessions} sessions in {wall:.1f} s; "
                f"{GOAL_SESSIONS:,} sessions every {KEEP_SECONDS:.0f} s would take {shares[-1]:.0%} of a core "
                f"(goal {GOAL_SHARE:.0%}; scaled from {sessions})"
            )
        bare, paced = (100 * share for share in shares)
        what = f"tickles of {GOAL_SESSIONS:,} sessions, of a core"
        note(Figure(what=what, figure=paced, unit="%", goal=GOAL_SHARE * 100, baseline=bare))


def _login(gateway: RunningGateway, number: int, environment: Environment) -> Login:
    user = f"bench{number}"
    address = gateway.base_url(user)
    return Login(username=user, environment=environment, auth_method=AuthMethod.GATEWAY, base_url=address)


async def _tickle(brokers: Sequence[ibkr.IbkrBrokerage]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(broker: ibkr.IbkrBrokerage) -> None:
        async with slots:
            await broker.tickle()

    await asyncio.gather(*(one(broker) for broker in brokers))


if __name__ == "__main__":
    main()
