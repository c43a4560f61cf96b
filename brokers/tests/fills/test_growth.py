"""Bringing fills home leaves nothing behind in the process that does it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest

from accounts.feed import pushes
from accounts.models import Team
from brokers.models import Order
from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.testing.remembered import remembered_by
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS, ROUNDS = 20, 6


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> Iterator[lab.Lab]:
    yield lab.make(team, gateway)
    gateway.clear_faults()


def test_what_the_stream_process_remembers_does_not_grow_with_orders(bench: lab.Lab) -> None:
    seen: list[int] = []

    def filled() -> bool:
        return not Order.objects.exclude(status="filled").exists()

    async def story() -> None:
        async with lab.watching() as keeper, lab.working():
            for number in range(ROUNDS):
                for order in range(ORDERS):
                    side = "buy" if order % 2 else "sell"
                    await asyncio.to_thread(bench.order, side=side, quantity=Decimal(1))
                await lab.until(filled, f"the orders of round {number} have filled")
                seen.append(remembered_by(keeper, pushes._pusher()))

    asyncio.run(story())
    # The first orders warm it up. News and pushes that are under way add to a count: the least of two rounds has none.
    grown = min(seen[-2:]) - min(seen[1:3])
    assert grown < ORDERS, seen
