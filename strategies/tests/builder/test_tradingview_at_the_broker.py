"""The text for TradingView strategies, from the chart through the webhook to the position at a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Team
from brokers.models import Position
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.builder import placeholders
from strategies.deciding import settle
from strategies.models import Decision, Signal, Strategy
from strategies.tests import rows
from strategies.tests.builder.tradingview import Chart
from strategies.tests.webhook import doors

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = next(alert.body for alert in placeholders.alerts() if alert.key == "tradingview-strategy")
TARGET = """{"ticker": "{{ticker}}", "action": "{{strategy.order.action}}", "targetQuantity": "{{strategy.position_size}}",
"time": "{{timenow}}", "orderId": "{{strategy.order.id}}"}"""
# One order of a strategy: action, contracts, its name, and our position afterwards.
Story = list[tuple[str, int, str, int]]
REVERSAL: Story = [("buy", 45, "Long", 45), ("sell", 90, "Short", -45), ("buy", 90, "Long", 45)]
REVERSAL_FROM_SHORT: Story = [("sell", 20, "Short", -20), ("buy", 50, "Long", 30)]
PLAIN_CLOSE: Story = [("buy", 10, "Long", 10), ("sell", 10, "Close entry(s) order Long", 0)]
PLAIN_COVER: Story = [("sell", 10, "Short", -10), ("buy", 10, "Stop", 0)]
PYRAMID: Story = [
    ("buy", 10, "First", 10),
    ("buy", 10, "Second", 20),
    ("sell", 10, "Exit 1", 10),
    ("sell", 10, "Exit 2", 0),
]
PARTIAL: Story = [("buy", 10, "Long", 10), ("sell", 4, "Half", 6), ("sell", 6, "Rest", 0)]


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    strategy = rows.strategy(team, timezone.now())
    rows.subscription(strategy, bench.account, timezone.now(), allow_swap=True, allow_add=True)
    return strategy


def held(bench: lab.Lab) -> Decimal:
    return sum(Position.objects.filter(account=bench.account).values_list("quantity", flat=True), Decimal(0))


def settled() -> bool:
    settle.settle_waiting(timezone.now())
    return not Decision.objects.filter(status="pending").exists()


async def deliver(strategy: Strategy, *bodies: str) -> list[doors.Response]:
    def post_all() -> list[doors.Response]:
        try:
            return [doors.post(doors.path_of(strategy), body) for body in bodies]
        finally:
            # Each thread has a connection of its own, and the pool is small.
            connection.close()

    return await asyncio.to_thread(post_all)


async def worked(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(lab.holds, done):
            await asyncio.to_thread(lab.work)
            await asyncio.to_thread(lab.holds, settled)


@pytest.mark.parametrize("text", [TEXT, TARGET], ids=["recommended", "target"])
@pytest.mark.parametrize(
    "story",
    [REVERSAL, REVERSAL_FROM_SHORT, PLAIN_CLOSE, PLAIN_COVER, PARTIAL, PYRAMID],
    ids=["reversal", "reversal from short", "plain close", "plain cover", "partial closes", "pyramid"],
)
def test_the_position_follows_the_chart(bench: lab.Lab, strategy: Strategy, text: str, story: Story) -> None:
    chart = Chart(text, timezone.now())

    async def play() -> None:
        async with lab.watching():
            for n, (action, contracts, name, position) in enumerate(story):
                body = chart.order(action, contracts, name, at=timezone.now() + timedelta(seconds=n))
                (answer,) = await deliver(strategy, body)
                assert (answer.status, answer.json["warnings"]) == (200, [])
                await worked(lambda position=position: held(bench) == position)  # type: ignore[misc]
                assert chart.position == position

    asyncio.run(asyncio.wait_for(play(), 120))


def test_two_equal_closes_of_a_pyramid_in_one_second_are_two(bench: lab.Lab, strategy: Strategy) -> None:
    chart = Chart(TEXT, timezone.now())

    async def play() -> None:
        async with lab.watching():
            await deliver(strategy, chart.order("buy", 10, "First"))
            await worked(lambda: held(bench) == 10)
            await deliver(strategy, chart.order("buy", 10, "Second"))
            await worked(lambda: held(bench) == 20)
            closes = chart.order("sell", 10, "Exit first"), chart.order("sell", 10, "Exit second")
            # TradingView repeats byte for byte, after a 5xx.
            answers = await deliver(strategy, *closes, closes[0])
            assert [answer.code for answer in answers] == ["", "", "duplicate-signal"]
            await worked(lambda: held(bench) == 0)

    asyncio.run(asyncio.wait_for(play(), 120))
    assert Signal.objects.count() == 4
