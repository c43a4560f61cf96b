"""Stolen sessions: how soon an open page shows it, and how often a quarrel about one is fought in a night.

    python -m benchmarks.bench_steals [--steals 100] [--users 10]

The whole product runs as `make run` starts it, in a folder that is thrown away, with paper connections that yield, at a
gateway in a process of its own. From the moment before a person at TWS takes the session to the arrival of the badge on
the websocket that a page of the team has open. The baseline of the same run is the gateway's own news of it on a bare
websocket: what cannot be had for less. The quarrels of a night are fought by a clock of their own (`benchmarks.trading.quarrel`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import aiohttp

from benchmarks.goals import Figure, note
from benchmarks.trading.page import line
from benchmarks.trading.quarrel import NIGHT, night
from brokers.domain.sessions import Ownership
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from config.tests import tables
from config.tests.product import Product, running
from config.tests.walk import inside

PATIENCE = 120.0
BARE = 20
BEHAVIOUR = {"idle_ttl_s": 1e9}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steals", type=int, default=100)
    parser.add_argument("--users", type=int, default=10, help="whose sessions are stolen beside each other")
    options = parser.parse_args(argv)
    with (
        running_gateway("fast", behaviour=BEHAVIOUR) as gateway,
        running(tables=tables.named(), HALYARD_LOG_LEVEL="WARNING") as product,
    ):
        shown, bare = asyncio.run(measure(product, gateway, options.steals, options.users))
    report(shown, bare)
    quarrels()


def report(shown: list[float], bare: list[float]) -> None:
    p50, p99, base = percentile(shown, 0.5), percentile(shown, 0.99), percentile(bare, 0.5)
    note(Figure(what="from stolen to the badge, p99", figure=p99, unit="s", goal=2, baseline=base))
    print(
        f"from stolen to the badge of an open page: {len(shown)} steals",
        f"  p50 {p50:.2f} s, p99 {p99:.2f} s (goal 2), slowest {shown[-1]:.2f} s",
        f"  the gateway's own news on a bare websocket: p50 {base * 1000:.1f} ms; the badge takes {p50 / base:.0f} times that",
        sep="\n",
    )


def quarrels() -> None:
    """Print what a night comes to against a person who takes the session again so many seconds after losing it."""
    for ownership in (Ownership.YIELD, Ownership.POLITE, Ownership.ALWAYS):
        for insists_s in (1, 30, 300):
            fought = night(ownership, insists_s)
            unlimited = NIGHT.total_seconds() / insists_s
            print(
                f"a night of quarrel, {ownership}, back after {insists_s} s: {fought.takeovers} takeovers, "
                f"{fought.takeovers / unlimited:.1%} of what the person asks for; at most {fought.most_in_a_minute} a minute "
                f"and {fought.most_in_ten} in ten (as set: 1 and 3); somebody is called for {fought.alarmed / 3600:.1f} h"
            )


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass
class Page:
    """The line of one open page, and when each badge last came with each of its two answers."""

    line: aiohttp.ClientWebSocketResponse
    came: dict[tuple[str, bool], asyncio.Event] = field(default_factory=dict)

    async def hear(self) -> None:
        async for message in self.line:
            for code, text in re.findall(r'id="session-([0-9a-f-]+)"(.*?)</li>', str(message.data), re.DOTALL):
                trades = "<strong>yes</strong>" in text
                if trades or "another login" in text:
                    self.event(code, trades=trades).set()

    def event(self, code: str, *, trades: bool) -> asyncio.Event:
        return self.came.setdefault((code, trades), asyncio.Event())

    async def until(self, code: str, *, trades: bool) -> None:
        await asyncio.wait_for(self.event(code, trades=trades).wait(), PATIENCE)


@contextlib.asynccontextmanager
async def opened(product: Product) -> AsyncIterator[Page]:
    """A page of the demo's team: signed in as a browser does, its websocket open."""
    async with line(product.url, product.demo) as opened_line:
        page = Page(opened_line)
        hearing = asyncio.create_task(page.hear())
        try:
            yield page
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)


async def measure(
    product: Product, gateway: RunningGateway, steals: int, users: int
) -> tuple[list[float], list[float]]:
    """Seconds to the badge and to the gateway's bare news, each sorted."""
    names = [f"STOLEN{number}" for number in range(users)]
    for name in (*names, "BARE"):
        await asyncio.to_thread(gateway.sign_in, name)
    bare = await bare_news(gateway, "BARE", min(BARE, steals))
    async with opened(product) as page:
        addresses = {name: gateway.base_url(name) for name in names}
        codes = await asyncio.to_thread(inside.run, product, f"yielding({addresses!r})")
        shares = [steals // users + (number < steals % users) for number in range(users)]
        rounds = [
            stolen(product, gateway, page, name, codes[name], share) for name, share in zip(names, shares, strict=True)
        ]
        shown = [seconds for each in await asyncio.gather(*rounds) for seconds in each]
    return sorted(shown), sorted(bare)


async def stolen(
    product: Product, gateway: RunningGateway, page: Page, user: str, code: str, times: int
) -> list[float]:
    """Steal a user's session again and again; the seconds until the page shows each."""
    seconds = []
    await page.until(code, trades=True)
    for _ in range(times):
        await followed(gateway, user)
        lost = page.event(code, trades=False)
        lost.clear()
        began = time.perf_counter()
        await asyncio.to_thread(gateway.tws, user)
        await page.until(code, trades=False)
        seconds.append(time.perf_counter() - began)
        page.event(code, trades=True).clear()
        await asyncio.to_thread(gateway.leave, user)
        # Nobody waits here for the next look, which is of no matter to what is measured.
        soon = "UPDATE brokers_connection SET next_try_at = now() WHERE username = %s RETURNING id"
        await asyncio.to_thread(product.rows, soon, user)
        await page.until(code, trades=True)
    return seconds


async def followed(gateway: RunningGateway, user: str) -> None:
    """Until the stream process follows the user's news, as it does but for the moments after a sign-in."""
    give_up = time.monotonic() + PATIENCE
    while not (await asyncio.to_thread(gateway.session, user))["sockets"]:
        if time.monotonic() > give_up:
            raise SystemExit(f"Nobody follows the news of {user}.")
        await asyncio.sleep(0.05)


async def bare_news(gateway: RunningGateway, user: str, times: int) -> list[float]:
    """Seconds from a steal to the gateway's message about it on a websocket of its user."""
    seconds = []
    async with aiohttp.ClientSession() as http, http.ws_connect(gateway.ws_url(user)) as line:
        for _ in range(times):
            began = time.perf_counter()
            await asyncio.to_thread(gateway.tws, user)
            while True:
                said = json.loads((await asyncio.wait_for(line.receive(), PATIENCE)).data)
                if said.get("topic") == "sts" and said.get("args", {}).get("competing"):
                    break
            seconds.append(time.perf_counter() - began)
            await asyncio.to_thread(gateway.leave, user)
            await asyncio.to_thread(gateway.sign_in, user)
    return seconds


if __name__ == "__main__":
    main()
