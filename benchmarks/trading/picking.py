"""How long it takes to pick an option by its parts: out of a chain that is known, and out of one that IBKR is asked for first.

    python -m benchmarks.trading.picking [--rounds 200] [--latency 100]

Every answer of the simulated gateway takes the same time (milliseconds), so that the second figure counts trips, one behind
the other. The first is our own part: the price is at hand, and nothing is asked.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.goals import Figure, note
from brokers import ibkr
from brokers.domain.addresses import Reach
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.client import Client
from brokers.ibkr.contracts import finding
from brokers.ibkr.contracts.picks import Desk
from brokers.ibkr.reads import Reads
from brokers.simulator.catalogue import listed
from brokers.simulator.testing.gateway import RunningGateway, running_gateway

GOAL_MS, GOAL_CALLS = 5.0, 2.0
RULE = "SPY C +1 weeks out 2"
COLD = 7


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--latency", type=float, default=100.0)
    options = parser.parse_args(argv)
    behaviour = {"latency": "uniform", "latency_ms": [options.latency, options.latency]}
    with running_gateway(behaviour=behaviour) as gateway:
        asyncio.run(measure(gateway, options.rounds))


async def measure(gateway: RunningGateway, rounds: int) -> None:
    reach = Reach(networks=(ipaddress.ip_network("127.0.0.0/8"),), ports=((1024, 65535),))
    rule = Instrument(ticker=RULE, asset_class=AssetClass.OPTION)
    async with ibkr.new_http(reach) as http:
        login = _login(gateway)
        broker = ibkr.connect(login, http)
        calls, cold, again = [], [], []
        for _ in range(COLD):
            # A session that begins is shown nothing of a chain until it has searched for the share.
            await broker.open_session()
            calls.append(await _seconds(broker.tickle))
            cold.append(await _seconds(lambda: broker.contract(rule)))
            again.append(await _seconds(lambda: broker.contract(rule)))
        own = await _own(Reads(Client(login, http)), rule, rounds)
        await broker.close()
    call = median(calls) * 1000
    for what, times in (("asked for", cold), ("known, with its price asked for", again)):
        print(f"chain {what}: {median(times) * 1000:.0f} ms, {median(times) * 1000 / call:.1f} calls of {call:.0f} ms")
    print(
        f"chain known, price at hand: {own * 1000:.3f} ms (goal {GOAL_MS:.0f} ms); asked for: goal {GOAL_CALLS:.0f} calls"
    )
    note(Figure(what="option picked, chain known", figure=own * 1000, unit="ms", goal=GOAL_MS))
    figure = median(cold) * 1000
    note(Figure(what="option picked, chain asked for", figure=figure, unit="ms", goal=GOAL_CALLS * call, baseline=call))


async def _own(reads: Reads, rule: Instrument, rounds: int) -> float:
    """Seconds of a pick for which nothing is asked."""

    async def at_hand(_: Contract) -> Decimal:
        return Decimal(str(listed.STOCKS["SPY"].base_price))

    async def nothing(path: str, *_: Any, **__: Any) -> Any:
        raise SystemExit(f"{path} was asked for: the bench would measure IBKR.")

    now, desk = datetime.now(UTC), Desk(at_hand)
    await finding.find(rule, reads.definition, now, None, desk)
    times = []
    for _ in range(rounds):
        began = perf_counter()
        await finding.find(rule, nothing, now, None, desk)
        times.append(perf_counter() - began)
    return median(times)


async def _seconds(ask: Any) -> float:
    began = perf_counter()
    await ask()
    return perf_counter() - began


def _login(gateway: RunningGateway) -> Login:
    address = gateway.base_url("bench")
    return Login(username="bench", environment=Environment.SIMULATED, auth_method=AuthMethod.GATEWAY, base_url=address)


if __name__ == "__main__":
    main()
