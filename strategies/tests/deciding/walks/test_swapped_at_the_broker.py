"""A sell short and the exit of the bar before, swapped on their way, from the webhook to the position at a real gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from brokers.models import Position
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.webhook import doors

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    made = rows.strategy(team, timezone.now())
    rows.subscription(made, bench.account, timezone.now(), allow_swap=True)
    return made


def held(bench: lab.Lab) -> Decimal:
    return sum(Position.objects.filter(account=bench.account).values_list("quantity", flat=True), Decimal(0))


def settled() -> bool:
    settle.settle_waiting(timezone.now())
    return not Decision.objects.filter(status="pending").exists()


async def deliver(strategy: Strategy, **fields: Any) -> None:
    def post() -> doors.Response:
        try:
            return doors.post(doors.path_of(strategy), json.dumps({"ticker": "AAPL", **fields}))
        finally:
            connection.close()

    assert (await asyncio.to_thread(post)).status == 200


async def worked(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not await asyncio.to_thread(lambda: lab.holds(settled) and lab.holds(done)):
            await asyncio.to_thread(lab.work)


@pytest.mark.parametrize(("entry", "close", "position"), [("sell", "exit", -5), ("buy", "exit", 5)])
def test_the_new_position_stays_where_its_bars_exit_comes_late(
    bench: lab.Lab, strategy: Strategy, entry: str, close: str, position: int
) -> None:
    bar = timezone.now() - timedelta(seconds=1)

    async def play() -> None:
        async with lab.watching():
            await deliver(strategy, action=entry, quantity=5, time=bar.isoformat())
            await worked(lambda: held(bench) == position)
            await deliver(strategy, action=close, time=bar.isoformat())
            await worked(lambda: Decision.objects.count() == 2)

    asyncio.run(asyncio.wait_for(play(), 180))
    swapped = Decision.objects.latest("pk")
    assert (swapped.rule, swapped.reason_code) == ("T05", "superseded-signal")
    assert (held(bench), len(bench.posts())) == (Decimal(position), 1)


def test_a_flip_swapped_with_the_exit_of_the_same_bar_keeps_its_new_side(bench: lab.Lab, strategy: Strategy) -> None:
    """Long five; the bar closes them and goes short, and the short comes first."""
    bar = timezone.now() - timedelta(seconds=1)

    async def play() -> None:
        async with lab.watching():
            await deliver(strategy, action="buy", quantity=5, time=(bar - timedelta(seconds=9)).isoformat())
            await worked(lambda: held(bench) == 5)
            await deliver(strategy, action="sell", sentiment="bearish", quantity=5, time=bar.isoformat())
            await worked(lambda: held(bench) == -5)
            await deliver(strategy, action="exit", time=bar.isoformat())
            await worked(lambda: Decision.objects.count() == 3)
            # The exit of a later bar closes it.
            assert await asyncio.to_thread(held, bench) == -5
            await deliver(strategy, action="exit", time=(bar + timedelta(milliseconds=500)).isoformat())
            await worked(lambda: held(bench) == 0)

    asyncio.run(asyncio.wait_for(play(), 240))
    assert [each.status for each in Decision.objects.order_by("pk")] == ["accepted", "accepted", "rejected", "accepted"]
