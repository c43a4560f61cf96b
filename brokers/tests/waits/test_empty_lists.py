"""For half an hour IBKR's lists are whole and empty, as after hours: what it acknowledged is never believed absent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Team
from brokers import ibkr
from brokers.connections import connections
from brokers.connections.reach import reach
from brokers.domain.sessions import Environment
from brokers.models import Connection, Order, OrderEvent
from brokers.orders import execution
from brokers.postgres.threads import Threads
from brokers.processes import recovery
from brokers.processes.wire import Wire
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_plans import resting

pytestmark = pytest.mark.django_db(transaction=True)
# A Monday, 11:00 in New York, where shares trade until 16:00; and a Saturday.
OPEN = datetime(2026, 6, 8, 15, 0, tzinfo=UTC)
CLOSED = datetime(2026, 6, 13, 15, 0, tzinfo=UTC)
MINUTES = 30


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def acknowledged(bench: lab.Lab, begin: datetime, minutes: float) -> Order:
    """A resting order of an account at IBKR that it acknowledged so many minutes before; the stream has had no gap."""
    order, at = resting(bench), begin - timedelta(minutes=minutes)
    Order.objects.filter(pk=order.pk).update(submitted_at=at, acknowledged_at=at, changed_at=at)
    order.attempts.update(sent_at=at)
    # As if the gateway were IBKR's own: what proves anything there is more than what proves it at the simulated market.
    rows.without_gap(bench.connection, begin - timedelta(hours=1), begin + timedelta(hours=1), environment="paper")
    return order


async def lists_are_read(bench: lab.Lab, moments: list[datetime]) -> None:
    """The lists are brought home at each of these moments, and an order in doubt is looked for, as lane and stream do it."""
    connection = await asyncio.to_thread(lab.asked, lambda: Connection.objects.get(pk=bench.connection.pk))
    # The login itself stays one of the simulated market, which may be asked as fast as the test goes.
    login = replace(connections.login_of(connection), environment=Environment.SIMULATED)
    async with ibkr.new_http(reach()) as http:
        broker, threads, now = ibkr.connect(login, http, shelf=lab.SHELVES.of(login)), Threads(), [moments[0]]
        wire = Wire(
            connection_pk=connection.pk,
            broker=broker,
            threads=threads,
            clock=lambda: now[0],
            wake=asyncio.Event(),
            stopping=asyncio.Event(),
        )
        try:
            for now[0] in moments:
                await recovery.bring_home(wire, connection, bench.account.account_id)
                await recovery.resolve_unknown(wire, connection)
        finally:
            await broker.close()
            threads.close()


def after_half_an_hour(bench: lab.Lab, begin: datetime) -> list[datetime]:
    every = timedelta(seconds=30)
    return [begin + number * every for number in range(2 * MINUTES + 1)]


@pytest.mark.parametrize("begin", [OPEN, CLOSED], ids=["open", "closed"])
@pytest.mark.parametrize("minutes", [0.1, 45], ids=["a moment ago", "a while ago"])
def test_an_acknowledged_order_is_not_believed_absent(bench: lab.Lab, begin: datetime, minutes: float) -> None:
    order = acknowledged(bench, begin, minutes)
    before = set(OrderEvent.objects.values_list("pk", flat=True))
    bench.gateway.fault(preset="lists_empty_after_hours", match={"user": bench.user})
    asyncio.run(lists_are_read(bench, after_half_an_hour(bench, begin)))
    seen = set(OrderEvent.objects.exclude(pk__in=before).values_list("new", flat=True))
    assert seen <= {"unknown", "needs_attention"}
    # Nothing leaves in its instrument unless it works, and itself not a second time.
    order.refresh_from_db()
    another = bench.order()
    job = execution.take_next(bench.connection.pk, begin)
    assert (job is not None and job.orders[0] == another) == (order.status == "accepted")
    assert len(bench.posts()) == 1
    bench.gateway.clear_faults()
    asyncio.run(lists_are_read(bench, [begin + timedelta(minutes=MINUTES + 1)]))
    order.refresh_from_db()
    assert order.status == "accepted"
