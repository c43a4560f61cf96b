"""A decided order goes to its lane in memory, in one transaction with its decision; everything else by its row."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from accounts.models import Team
from brokers.models import Connection, Order, SubmissionAttempt
from brokers.orders.together import handing
from brokers.postgres.locks import Space, direct_parameters, try_only_one
from brokers.postgres.notices import SIGNALS_CHANNEL, notify
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from config.tests.watching import eventually
from strategies.deciding import fan_out
from strategies.drain import drain, drain_beside_lanes
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
    rows.subscription(made, bench.account, timezone.now(), allow_add=True)
    return made


def lived(*steps: Callable[[], object]) -> None:
    """The drain beside the lanes, in their process, and the stream: until each step is done."""

    async def story() -> None:
        async with lab.watching(), lab.working(beside=[drain_beside_lanes]):
            for step in steps:
                await lab.until(step, f"{step} is done", 60)

    asyncio.run(asyncio.wait_for(story(), 180))


def bought(strategy: Strategy) -> Callable[[], bool]:
    """Sends a signal once; done when its order has filled, and the lane has nothing left to do."""
    sent: list[Any] = []

    def step() -> bool:
        if not sent:
            sent.append(rows.signal(strategy, timezone.now(), reading=reading("buy", quantity="1")))
            notify_signals()
        return Order.objects.filter(ticket__decision__signal=sent[0], status="filled").exists()

    return step


def notify_signals() -> None:
    notify(SIGNALS_CHANNEL)


def handed() -> list[bool]:
    """Of each order, whether it was written down as leaving in the transaction of its decision."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.xmin::text = e.xmin::text FROM strategies_decision d JOIN brokers_order o ON o.ticket_id = d.ticket_id"
            " JOIN brokers_orderevent e ON e.order_id = o.id AND e.new = 'submitted' ORDER BY o.id"
        )
        return [same for (same,) in cursor.fetchall()]


def quiet() -> bool:
    """Whether the connection's lock is free: its lane has done what it was at."""
    return not held_by_anybody()


def held_by_anybody() -> bool:
    with psycopg.connect(**direct_parameters()) as session:
        row = session.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND granted",
            [int(Space.CONNECTION)],
        ).fetchone()
    return bool(row and row[0])


def test_an_order_is_handed_to_its_waiting_lane_in_one_transaction(bench: lab.Lab, strategy: Strategy) -> None:
    walks = [bought(strategy) for _ in range(6)]
    lived(*(step for walk in walks for step in (walk, quiet)))
    assert len(bench.posts()) == Order.objects.count() == 6
    assert any(handed()), "nothing else waited at the lane"
    for order in Order.objects.all():
        assert [event.new for event in order.events.order_by("pk")][:2] == ["created", "submitted"]
        attempt = order.attempts.get()
        assert (attempt.kind, attempt.outcome) == ("post", "accepted")
        # Written down before it left.
        assert order.submitted_at is not None
        assert order.acknowledged_at is not None
        assert order.submitted_at == attempt.sent_at < order.acknowledged_at
        assert order.ticket.worked_at is not None


def test_an_order_whose_connection_somebody_else_holds_waits_in_its_row(bench: lab.Lab, strategy: Strategy) -> None:
    held: list[Any] = []

    def somebody_signs_in() -> bool:
        """Takes the connection's lock once nobody has it."""
        lock = try_only_one(Space.CONNECTION, bench.connection.pk)
        if lock.__enter__() is None:
            lock.__exit__(None, None, None)
            return False
        held.append(lock)
        return True

    second = bought(strategy)

    def is_decided() -> bool:
        second()
        return Order.objects.count() == 2

    def has_not_left() -> bool:
        assert Order.objects.latest("pk").status == "created"
        assert len(bench.posts()) == 1
        held.pop().__exit__(None, None, None)
        return True

    lived(bought(strategy), quiet, somebody_signs_in, is_decided, has_not_left, second)
    assert handed()[1] is False
    assert len(bench.posts()) == 2


def test_an_order_whose_session_is_in_doubt_waits_in_its_row(bench: lab.Lab, strategy: Strategy) -> None:
    def doubted() -> bool:
        return bool(Connection.objects.filter(pk=bench.connection.pk).update(last_kept_at=None))

    lived(bought(strategy), quiet, doubted, bought(strategy))
    assert handed()[1] is False
    assert len(bench.posts()) == 2


def test_a_transaction_that_fails_hands_nothing_over_and_the_lane_goes_on(
    bench: lab.Lab, strategy: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last moment before the commit: the order was written down as leaving, the lane waits under its lock."""
    failures: list[int] = []
    settle = fan_out._settle

    def fails_once(*args: Any) -> fan_out.Settled:
        done = settle(*args)
        if SubmissionAttempt.objects.count() == 2 and not failures:
            failures.append(held_by_anybody())
            raise ValueError("the last statement failed")
        return done

    monkeypatch.setattr(fan_out, "_settle", fails_once)
    steps = [bought(strategy) for _ in range(6)]
    lived(*(step for walk in steps for step in (walk, quiet)))
    assert failures == [True], "none was handed over"
    assert len(bench.posts()) == Order.objects.count() == 6
    assert Decision.objects.count() == 6


def test_whoever_opens_a_ticket_inside_another_transaction_asks_for_no_lane(bench: lab.Lab) -> None:
    asked: list[handing.Reserved] = []
    with handing.lanes_here(asked.append), transaction.atomic(), transaction.atomic(), handing.Handing() as made:
        made.ask(bench.connection)
        assert not made.asked
    assert asked == []


def test_a_drain_without_lanes_leaves_its_work_to_one_that_has_them(bench: lab.Lab, strategy: Strategy) -> None:
    """And when those lanes end, another process may drain again."""

    def alone() -> None:
        # Whoever asks below whether somebody drains holds the lock for that moment.
        while not drain():
            pass
        connections.close_all()

    other = threading.Thread(target=alone, daemon=True)
    other.start()

    def somebody_drains() -> bool:
        with try_only_one(Space.DRAIN, 0) as session:
            return session is None

    async def begun() -> None:
        await lab.until(somebody_drains, "the other drains")

    asyncio.run(begun())
    lived(lambda: not other.is_alive(), somebody_drains, bought(strategy))
    # The database learns of the end of a session a moment later.
    assert eventually(lambda: not somebody_drains(), 10), "the drain ended with its lanes"
