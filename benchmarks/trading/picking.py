"""How long it takes to pick an option by its parts, by what is known of its chain when a session's first signal comes.

    python -m benchmarks.trading.picking [--rounds 200] [--latency 100]

Every answer of the simulated gateway takes the same time (milliseconds), so that these figures count trips, one behind the other.
The last one is our own part: the price is at hand, and nothing is asked.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.goals import Figure, note
from brokers import ibkr
from brokers.domain.addresses import Reach
from brokers.domain.contracts.memory import ChainMemory
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.client import Client
from brokers.ibkr.contracts import finding
from brokers.ibkr.contracts.chains import Desk
from brokers.ibkr.reads import Reads
from brokers.simulator.catalogue import listed
from brokers.simulator.testing.gateway import RunningGateway, running_gateway

GOAL_MS, GOAL_CALLS = 5.0, 2.0
RULE, CHAIN = "SPY C +1 weeks out 2", "SPY"
EARLIER, AHEAD = "known from an earlier day", "asked ahead today"
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
        first = ibkr.connect(login, http)
        await first.open_session()
        call = median([await _seconds(first.tickle) for _ in range(COLD)]) * 1000
        await first.contract(rule)
        earlier = first.chains.written(CHAIN)
        await first.chains.warm([rule])
        warmed = first.chains.written(CHAIN)
        await first.close()
        assert earlier is not None, "nothing was said of the chain"
        assert warmed is not None, "nothing was asked ahead"
        known: dict[str, Callable[[ChainMemory], None]] = {
            "nothing known": lambda chains: None,
            "its share known": lambda chains: chains.hint(CHAIN, listed.STOCKS[CHAIN].conid),
            EARLIER: lambda chains: chains.recall(CHAIN, earlier, of_today=False),
            AHEAD: lambda chains: chains.recall(CHAIN, warmed, of_today=True),
        }
        figures = {what: await _first_of_a_session(login, http, rule, take_up) for what, take_up in known.items()}
        own = await _own(Reads(Client(login, http)), rule, rounds)
    for what, seconds in figures.items():
        print(f"chain {what}: {seconds * 1000:.0f} ms, {seconds * 1000 / call:.1f} calls of {call:.0f} ms")
    print(
        f"chain known, price at hand: {own * 1000:.3f} ms (goal {GOAL_MS:.0f} ms); first of a day: goal {GOAL_CALLS:.0f} calls"
    )
    note(Figure(what="option picked, chain known", figure=own * 1000, unit="ms", goal=GOAL_MS))
    for what in ("nothing known", EARLIER, AHEAD):
        figure = figures[what] * 1000
        note(Figure(what=f"option picked, {what}", figure=figure, unit="ms", goal=GOAL_CALLS * call, baseline=call))


async def _first_of_a_session(
    login: Login, http: Any, rule: Instrument, take_up: Callable[[ChainMemory], None]
) -> float:
    """Seconds of a pick by a lane that has just begun, in a session that has shown no price yet."""
    times, reads = [], Reads(Client(login, http))
    for _ in range(COLD):
        broker = ibkr.connect(login, http)
        await broker.open_session()
        await reads.get("iserver/marketdata/unsubscribeall")
        take_up(broker.chains)
        times.append(await _seconds(partial(broker.contract, rule)))
        await broker.close()
    return median(times)


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
