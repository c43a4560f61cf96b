"""A required stop that is lost: seconds from the broker's word to the row that says so, with a position and before one.

    python -m benchmarks.bench_stops [--stops 20]

Each stop belongs to an entry of a user of its own, at a simulated gateway; half of the entries have filled, half rest. The
stop is canceled at the gateway, as by hand in TWS, and the clock runs from the gateway's answer. The baseline of the same
run is the order's own row: when it says that the stop is canceled. Lanes and the stream run in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.goals import Figure, note
from benchmarks.servers import migrated_database
from brokers.simulator.testing.gateway import RunningGateway, running_gateway

GOAL_S = 2.0
PATIENCE_S = 60.0


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stops", type=int, default=20, help="how many of each kind")
    options = parser.parse_args(argv)
    os.environ |= {"HALYARD_GATEWAY_RANGES": "127.0.0.0/8", "HALYARD_GATEWAY_PORTS": "1024-65535"}
    with running_gateway() as gateway:
        os.environ |= {"HALYARD_GATEWAY_URL": gateway.url, "SIM_CONTROL_TOKEN": gateway.token}
        with migrated_database():
            report(measure(gateway, options.stops))


def measure(gateway: RunningGateway, stops: int) -> dict[str, list[float]]:
    """Seconds by what was waited for, each sorted."""
    from django.utils import timezone

    from accounts import teams
    from accounts.models import User
    from brokers.domain.protection.choices import MissingStop
    from brokers.models import Lapse, Order
    from brokers.tests import lab, rows
    from brokers.tests.protection.test_missing_stops import bracket

    owner = User.objects.create_user("owner@example.com", "a password of theirs")
    team = teams.found_team(owner=owner, name="Bench", now=timezone.now())
    benches = [lab.make(team, gateway, rows.connection(team)) for _ in range(2 * stops)]
    tickets = [bracket(bench, MissingStop.ALARM, fills=number % 2 == 0) for number, bench in enumerate(benches)]
    seconds: dict[str, list[float]] = {"held": [], "resting": [], "row of the order": []}

    def stop_of(ticket: Any) -> Order:
        return Order.objects.get(ticket=ticket, role="stop_loss")

    def are_placed() -> bool:
        return all(stop_of(ticket).status == "accepted" for ticket in tickets)

    async def lost(number: int) -> None:
        bench, order = benches[number], await asyncio.to_thread(lab.asked, lambda: stop_of(tickets[number]))
        path = f"/iserver/account/{bench.account.account_id}/order/{order.broker_order_id}"
        await asyncio.to_thread(gateway.call, bench.user, "DELETE", path)
        said = time.perf_counter()

        async def took(is_so: Callable[[], bool]) -> float:
            while not await asyncio.to_thread(lab.holds, is_so):
                if time.perf_counter() - said > PATIENCE_S:
                    raise SystemExit("A lost stop was not seen within a minute.")
                await asyncio.sleep(0.002)
            return time.perf_counter() - said

        row, lapse = await asyncio.gather(
            took(Order.objects.filter(pk=order.pk, status="canceled").exists),
            took(Lapse.objects.filter(account=bench.account, ended_at=None).exists),
        )
        seconds["row of the order"].append(row)
        seconds["held" if number % 2 == 0 else "resting"].append(lapse)

    async def story() -> None:
        async with lab.watching(), lab.working():
            await lab.until(are_placed, "all stops are at the gateway", 300)
            for number in range(len(benches)):
                await lost(number)

    asyncio.run(story())
    return {name: sorted(each) for name, each in seconds.items()}


def report(seconds: dict[str, list[float]]) -> None:
    for name, each in seconds.items():
        middle, late = percentile(each, 0.5), percentile(each, 0.99)
        print(f"{name}: p50 {middle:.3f} s, p99 {late:.3f} s of {len(each)}")
    slowest = max(*seconds["held"], *seconds["resting"])
    note(Figure(what="a lost stop is seen, slowest", figure=slowest, unit="s", goal=GOAL_S))
    print(f"goal: seen within {GOAL_S:.0f} s: {'yes' if slowest <= GOAL_S else 'no'}, slowest {slowest:.3f} s")


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    main()
