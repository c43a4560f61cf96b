"""A worker that is killed at any moment of a change that leaves two orders: none is lost, none is touched, no third one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.connections.reach import reach
from brokers.domain.sessions import Login
from brokers.models import Execution, Order
from brokers.postgres.locks import Locks
from brokers.postgres.threads import Threads
from brokers.processes.handed.shared import Shared, answers_of, looks_of
from brokers.processes.lane import Lane
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.identity.test_second_orders import TWO, outcomes, second_of
from brokers.tests.orders.test_conversions import changes, match
from brokers.tests.soak.processes import Fate, MortalBroker, MortalThreads

pytestmark = pytest.mark.django_db(transaction=True)
# From the first look at its rows until after the list that shows both orders.
MOMENTS = 24


class Worker:
    """Lanes that may die, one for each bench."""

    def __init__(self, locks: Locks, threads: Threads, http: Any) -> None:
        self.locks, self.threads, self.http = locks, threads, http

    def begin(self, bench: lab.Lab, moments: int | None = None) -> Lane:
        fate = Fate()

        def broker(login: Login) -> MortalBroker:
            return MortalBroker(ibkr.connect(login, self.http, shelf=lab.SHELVES.of(login)), fate)

        threads = MortalThreads(self.threads, fate)
        lane = Lane(
            Shared(
                open_brokerage=broker,
                threads=threads,
                locks=self.locks,
                clock=timezone.now,
                linger=0.3,
                looks=looks_of(threads, timezone.now),
                answers=answers_of(threads),
            ),
            bench.connection.pk,
        )
        fate.task, fate.left = lane.task, moments
        lane.wake.set()
        return lane

    async def settle(self, bench: lab.Lab, order: Order) -> None:
        """Begin anew, as the next task does, until nothing is in doubt any more."""

        def is_settled() -> bool:
            return outcomes(order)[-1:] == ["left_a_second"]

        while not await asyncio.to_thread(lab.holds, is_settled):
            await self.begin(bench).task


async def killed_and_begun_anew(benches: Sequence[lab.Lab], orders: Sequence[Order]) -> int:
    """Each lane dies one moment later than the one before; all begin anew until nothing is in doubt. How many died."""
    threads = Threads(size=4)
    try:
        async with ibkr.new_http(reach()) as http, Locks.opened() as locks:
            worker = Worker(locks, threads, http)
            lanes = [worker.begin(bench, moment) for moment, bench in enumerate(benches, 1)]
            ends = await asyncio.gather(*(lane.task for lane in lanes), return_exceptions=True)
            await asyncio.gather(*(worker.settle(bench, order) for bench, order in zip(benches, orders, strict=True)))
            return sum(isinstance(end, asyncio.CancelledError) for end in ends)
    finally:
        threads.close()


def test_a_worker_killed_at_any_moment_of_it(team: Team, gateway: RunningGateway) -> None:
    gateway.clear_quotes()
    benches = [lab.make(team, gateway, rows.connection(team)) for _ in range(MOMENTS)]
    orders = [bench.order(type="limit", limit_price=Decimal("1.00"), convert_after=60) for bench in benches]
    lab.work()
    for bench in benches:
        bench.gateway.fault(action=TWO, match=match(bench), phase="after")
    Order.objects.update(acknowledged_at=timezone.now() - timedelta(seconds=61))
    for order in orders:
        order.refresh_from_db()
    numbers = [order.broker_order_id for order in orders]
    died = asyncio.run(asyncio.wait_for(killed_and_begun_anew(benches, orders), 90))
    assert died > MOMENTS / 2, died
    for bench, order, number in zip(benches, orders, numbers, strict=True):
        order.refresh_from_db()
        assert (order.broker_order_id, order.status, order.type) == (number, "accepted", "limit")
        assert len(changes(bench)) == 1
        second = second_of(order)
        assert [each.order_id for each in Execution.objects.filter(account=bench.account)] == [second.pk]
        assert len(bench.at_broker()) == 2
