"""From signal to broker and back: a bracket, a partial exit that keeps its stop, and the way out, at a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import Order, Position
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.domain.message.message import Bracket
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import reading

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    made = rows.strategy(team, timezone.now())
    rows.subscription(made, bench.account, timezone.now())
    return made


def decided(strategy: Strategy, **values: Any) -> Callable[[], bool]:
    """A signal of now; what is given back settles it until its decision is made."""
    signal = rows.signal(strategy, timezone.now(), reading=values)

    def settled() -> bool:
        settle.settle_waiting(timezone.now())
        return Decision.objects.filter(signal=signal).exclude(status="pending").exists()

    return settled


def held(bench: lab.Lab) -> Decimal:
    return sum(Position.objects.filter(account=bench.account).values_list("quantity", flat=True), Decimal(0))


def legs(bench: lab.Lab) -> list[tuple[str, float]]:
    """The orders that rest at the broker."""
    resting = {"Submitted", "PreSubmitted"}
    return sorted((row["origOrderType"], row["totalSize"]) for row in bench.at_broker() if row["status"] in resting)


def test_a_partial_exit_keeps_the_rest_protected_and_the_full_one_leaves_nothing(
    bench: lab.Lab, strategy: Strategy
) -> None:
    ten = {"value": "10", "type": "fixed_quantity"}
    stop, profit = {"type": "stop", "mode": "stopPrice", "value": "1"}, {"mode": "limitPrice", "value": "9999"}

    async def worked(settled: Callable[[], bool], left: int) -> None:
        await lab.until(settled, "the signal is decided")
        await asyncio.to_thread(lab.work)
        await lab.until(lambda: held(bench) == left, f"{left} are held")

    async def story() -> None:
        async with lab.watching():
            entry = await asyncio.to_thread(
                decided, strategy, **{**reading("buy"), "quantity": ten, "stop_loss": stop, "take_profit": profit}
            )
            await worked(entry, 10)
            assert await asyncio.to_thread(legs, bench) == [("LIMIT", 10.0), ("STOP", 10.0)]
            part = await asyncio.to_thread(decided, strategy, **{**reading("exit"), "quantity": {**ten, "value": "4"}})
            await worked(part, 6)
            await asyncio.to_thread(lab.work)
            assert await asyncio.to_thread(legs, bench) == [("LIMIT", 6.0), ("STOP", 6.0)]
            everything = {name: value for name, value in reading("exit").items() if name != "quantity"}
            await worked(await asyncio.to_thread(lambda: decided(strategy, **everything)), 0)
            assert await asyncio.to_thread(legs, bench) == []

    asyncio.run(story())
    assert [each.rule for each in Decision.objects.order_by("pk")] == ["D01", "D25", "D24"]
    assert set(Order.objects.values_list("status", flat=True)) == {"filled", "canceled"}


def test_a_stop_that_is_a_distance_is_moved_to_where_it_stands_from_the_fill(bench: lab.Lab, team: Team) -> None:
    """The signal's price is far from the market's: the stop was planned from it, and is counted again from the fill."""
    made = rows.strategy(team, timezone.now())
    stop = Bracket(mode="percent", value=Decimal(2), type="stop")
    rows.subscription(made, bench.account, timezone.now(), stop_loss=stop, legs_from_fill=True)

    def moved() -> bool:
        return Order.objects.filter(role="stop_loss", modifications__status="made").exists()

    async def story() -> None:
        async with lab.watching():
            sent = {**reading("buy"), "signal_price": "20", "quantity": {"value": "10", "type": "fixed_quantity"}}
            await lab.until(await asyncio.to_thread(decided, made, **sent), "the signal is decided")
            planned = await asyncio.to_thread(lab.asked, lambda: Order.objects.get(role="stop_loss").stop_price)
            assert planned == Decimal("19.6")
            while not await asyncio.to_thread(lab.holds, moved):
                await asyncio.to_thread(lab.work)

    asyncio.run(story())
    entry, leg = Order.objects.get(role="entry"), Order.objects.get(role="stop_loss")
    assert entry.average_price is not None
    assert leg.stop_price is not None
    assert 0 <= leg.stop_price - entry.average_price * Decimal("0.98") < Decimal("0.01")
    plan = Decision.objects.get().plan
    assert plan is not None
    distance = plan["intents"][0]["then"][0]["from_fill"]
    assert Decimal(distance["value"]) == 2
    assert distance["counts"] == "percent"


def test_an_exit_that_waits_for_its_price_has_a_stop_beside_it(bench: lab.Lab, strategy: Strategy) -> None:
    ten = {"value": "10", "type": "fixed_quantity"}
    stop = {"type": "stop", "mode": "stopPrice", "value": "1"}

    async def worked(settled: Callable[[], bool], done: Callable[[], bool], what: str) -> None:
        await lab.until(settled, "the signal is decided")
        while not await asyncio.to_thread(lab.holds, done):
            await asyncio.to_thread(lab.work)

    async def story() -> None:
        async with lab.watching():
            entry = await asyncio.to_thread(
                lambda: decided(strategy, **{**reading("buy"), "quantity": ten, "stop_loss": stop})
            )
            await worked(entry, lambda: held(bench) == 10, "ten are held")
            waits = {"type": "limit", "limit": "9999"}
            part = await asyncio.to_thread(
                lambda: decided(strategy, **{**reading("exit"), "quantity": {**ten, "value": "4"}, "order": waits})
            )
            expected = [("LIMIT", 4.0), ("STOP", 4.0), ("STOP", 6.0)]
            await worked(part, lambda: legs(bench) == expected, "the exit rests beside its stop")
            everything = {name: value for name, value in reading("exit").items() if name != "quantity"}
            rest = await asyncio.to_thread(lambda: decided(strategy, **everything))
            await worked(rest, lambda: held(bench) == 0, "all is gone")
            assert await asyncio.to_thread(legs, bench) == []

    asyncio.run(asyncio.wait_for(story(), 120))
    assert [each.rule for each in Decision.objects.order_by("pk")] == ["D01", "D25", "D24"]
    assert set(Order.objects.values_list("status", flat=True)) == {"filled", "canceled"}
