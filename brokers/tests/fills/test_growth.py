"""Bringing fills home leaves nothing behind in the process that does it."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

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
    # The first orders warm it up. What is under way adds to a count, and what comes by the clock adds to it once: what grows
    # with orders grows in each round.
    assert statistics.median(after - before for before, after in pairwise(seen[1:])) < ORDERS, seen
