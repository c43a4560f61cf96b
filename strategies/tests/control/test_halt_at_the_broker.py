"""A stop takes effect before the next order leaves: with real lanes, a real gateway, and batches decided beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import MAY_FILL
from brokers.models import BrokerageAccount, Closing, Order, Position
from brokers.postgres.locks import Space
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests import rows as broker_rows
from strategies.control import halt
from strategies.deciding import guards, settle
from strategies.domain.decide.guards import Halt
from strategies.models import Decision, Guard, Signal, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows

pytestmark = pytest.mark.django_db(transaction=True)

ALIVE = [str(status) for status in MAY_FILL]


def stop(team: Team) -> None:
    halt.halt(team=team, target=None, how=Halt.ENTRIES, reason="Enough", actor=None, now=timezone.now())


def following(team: Team, account: BrokerageAccount) -> Strategy:
    made = rows.strategy(team, timezone.now())
    rows.subscription(made, account, timezone.now(), allow_add=True, working_entry="keep")
    return made


def apart(task: Callable[[], None]) -> threading.Thread:
    """The task in a thread with its own database session, which is closed after it."""

    def run() -> None:
        try:
            task()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_no_entry_leaves_after_the_moment_of_the_stop(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway)
    for _ in range(40):
        bench.order(type="limit", limit_price=Decimal(1), expires_at=timezone.now() + timedelta(minutes=5))
    entries = Order.objects.filter(role="entry")

    async def story() -> None:
        async with lab.watching():
            working = asyncio.create_task(asyncio.to_thread(lab.work))
            await lab.until(lambda: entries.filter(submitted_at__isnull=False).count() >= 3, "the first have left")
            await asyncio.to_thread(_in_a_thread, lambda: stop(team))
            await working
            while await asyncio.to_thread(_in_a_thread, entries.filter(status__in=ALIVE).exists):
                await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 60))
    halted_at = Guard.objects.get().halted_at
    assert halted_at is not None
    left = [order.submitted_at for order in entries if order.submitted_at is not None]
    assert 3 <= len(left) < 40, "the stop has to come while orders leave"
    assert max(left) <= halted_at
    assert len(bench.posts()) == len(left)
    assert {order.status for order in entries} == {"canceled"}
    assert {row["status"] for row in bench.at_broker()} == {"Cancelled"}


def test_a_stop_that_flattens_leaves_nothing_held_and_nothing_working(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway)
    bench.order(quantity=Decimal(5))
    resting = bench.order(
        role="stop_loss", side="sell", type="stop", stop_price=Decimal(1), quantity=Decimal(5), time_in_force="gtc"
    )
    held = Position.objects.filter(account=bench.account)

    async def story() -> None:
        async with lab.watching():
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: held.filter(quantity=5).exists(), "five are held")
            await asyncio.to_thread(
                _in_a_thread,
                lambda: halt.halt(
                    team=team,
                    target=bench.account,
                    how=Halt.EVERYTHING,
                    reason="Out",
                    flatten=True,
                    actor=None,
                    now=timezone.now(),
                ),
            )
            while await asyncio.to_thread(_in_a_thread, Closing.objects.filter(status="open").exists):
                await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 90))
    assert [(each.status, each.ticker) for each in Closing.objects.all()] == [("done", "AAPL")]
    assert not held.exists()
    assert Order.objects.get(pk=resting.pk).status == "canceled"
    assert not Order.objects.filter(status__in=ALIVE).exists()


def _in_a_thread(task: Callable[[], object]) -> object:
    try:
        return task()
    finally:
        connection.close()


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    account = broker_rows.account(team, book_as_of=timezone.now(), equity=Decimal(1000))
    knows(account.connection, timezone.now())
    return following(team, account)


def someone_waits_for(space: Space) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND NOT granted", [space]
        )
        return bool(cursor.fetchone()[0])


def test_a_stop_waits_for_the_batch_at_work_and_ends_what_it_made(strategy: Strategy) -> None:
    """The batch has seen no stop, so its order is made; the stop finds it."""
    signal = rows.signal(strategy, timezone.now())
    with transaction.atomic():
        settle.settle_waiting(timezone.now())
        stopping = apart(lambda: stop(strategy.team))
        while not someone_waits_for(Space.STOP):
            assert stopping.is_alive(), "the stop has not waited for the batch"
    stopping.join(20)
    assert signal.decisions.get().status == "accepted"
    assert [order.status for order in Order.objects.all()] == ["canceled"]


def test_a_batch_that_comes_while_it_is_stopped_sees_the_stop(strategy: Strategy) -> None:
    rows.signal(strategy, timezone.now())
    with transaction.atomic():
        stop(strategy.team)
        deciding = apart(_settle)
        while not someone_waits_for(Space.STOP):
            assert deciding.is_alive(), "the batch has not waited for the stop"
    deciding.join(20)
    assert Decision.objects.get().reason_code == "trading-halted"
    assert not Order.objects.exists()


def _settle() -> None:
    settle.settle_waiting(timezone.now())


def test_however_they_meet_no_entry_outlives_the_stop(strategy: Strategy) -> None:
    for round_ in range(6):
        Guard.objects.update(halt="nothing", halt_reason="", halted_at=None)
        for _ in range(15):
            rows.signal(strategy, timezone.now())
        over = threading.Event()

        def decide(over: threading.Event = over) -> None:
            while not over.is_set():
                settle.settle_waiting(timezone.now(), batch=2)

        deciding = apart(decide)
        while Signal.objects.filter(dispatched_at__isnull=True).count() > 12 - 2 * round_:
            assert deciding.is_alive()
        stop(strategy.team)
        alive = Order.objects.filter(status__in=ALIVE).count()
        over.set()
        deciding.join(20)
        _settle_all()
        assert alive == 0
        assert not Order.objects.filter(status__in=ALIVE).exists()
    assert Decision.objects.filter(status="accepted").exists()
    assert Decision.objects.filter(reason_code="trading-halted").exists()


def _settle_all() -> None:
    while settle.settle_waiting(timezone.now()):
        pass


def test_a_watch_holds_a_stop_back_only_until_its_transaction_ends(strategy: Strategy) -> None:
    with transaction.atomic():
        guards.hold(strategy.subscriptions.all(), timezone.now())
    stop(strategy.team)
    assert Guard.objects.get().halt == "entries"
