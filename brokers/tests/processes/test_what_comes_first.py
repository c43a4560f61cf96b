"""Between two orders of a long queue: cancels, changes and answers that exits wait for leave first; a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import OrderStatus
from brokers.models import BrokerageAccount, Connection, ContractLookup, Order
from brokers.orders import cancels
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.processes import agenda, between
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_conversions import match
from brokers.tests.orders.test_plans import intent, opened
from brokers.tests.orders.test_resizes import planned

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}
QUEUE = 12


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def resting_stop(bench: lab.Lab) -> Order:
    """A stop over ten that rests at the broker, far below the market."""
    stop = bench.order(role="stop_loss", side="sell", type="stop", stop_price=Decimal("1.00"), quantity=Decimal(10))
    lab.work()
    stop.refresh_from_db()
    assert stop.status == "accepted"
    return stop


def sent_before(bench: lab.Lab, marks: str) -> int:
    """How many orders had left before the first request whose method and path have this."""
    entries = [f"{entry['method']} {entry['path']}" for entry in bench.gateway.journal(bench.user)]
    first = next(number for number, entry in enumerate(entries) if marks in entry)
    return sum(entry.startswith("POST ") and entry.endswith("/orders") for entry in entries[:first])


def exit_behind_a_cancel(bench: lab.Lab, stop: Order) -> object:
    return opened(bench, intent("exit", "sell", 10), cancels=(stop.reference,))


def kill_switch(bench: lab.Lab, stop: Order) -> object:
    return cancels.cancel_all(Order.objects.filter(pk=stop.pk), actor=None, cause="Stopped.", now=timezone.now())


@pytest.mark.parametrize(
    ("wish", "marks"),
    [
        pytest.param(exit_behind_a_cancel, "DELETE ", id="an exit's cancel"),
        pytest.param(kill_switch, "DELETE ", id="a kill switch"),
        pytest.param(planned, "/order/", id="an exit's smaller stop"),
    ],
)
def test_what_an_exit_waits_for_does_not_wait_for_the_queue(
    bench: lab.Lab, wish: Callable[[lab.Lab, Order], object], marks: str
) -> None:
    stop = resting_stop(bench)
    before = len(bench.posts())
    bench.gateway.fault(action={"delay_ms": 500}, match=PLACE, times=None)
    entries = [bench.order(type="limit", limit_price=1) for _ in range(QUEUE)]
    sent: list[int] = []

    def first_has_left() -> bool:
        if len(bench.posts()) > before:
            wish(bench, stop)
            sent.append(len(bench.posts()))
        return bool(sent)

    async def story() -> None:
        async with lab.working():
            await lab.until(first_has_left, "the queue is under way", 40)
            left = Order.objects.filter(pk__in=[entry.pk for entry in entries], status="accepted")
            await lab.until(lambda: left.count() == QUEUE, "the queue has left", 60)

    asyncio.run(story())
    # One is under way when the wish comes, and one may have been taken up meanwhile.
    assert sent_before(bench, marks) <= sent[0] + 1 < before + QUEUE


def waits(order: Order) -> bool:
    return between.take_next(order.connection_id, timezone.now).waits


def test_nothing_of_this_is_taken_up_before_it(team: Team) -> None:
    connection, now = rows.connection(team), timezone.now()
    Connection.objects.filter(pk=connection.pk).update(session_status="active", last_kept_at=now)
    account = rows.account(team, connection)
    working = rows.order(account, status="accepted", broker_order_id="1", acknowledged_at=now)
    entry = rows.order(account)
    theirs = rows.foreign_order(account, cancel_asked_at=now)
    assert waits(entry)
    assert agenda.look(connection.pk, now, back=False).job is None
    theirs.delete()
    Order.objects.move(working, OrderStatus.PENDING_CANCEL, now=now)
    assert waits(entry)
    # One whose answer was lost is looked up, and nobody waits for that.
    cancels.begin_cancel(working, now)
    taken = between.take_next(connection.pk, timezone.now)
    assert taken.job is not None
    assert taken.job.orders[0] == entry


def test_a_change_in_doubt_keeps_back_no_other(bench: lab.Lab) -> None:
    first, second = resting_stop(bench), resting_stop(bench)
    # IBKR's list stays incomplete, so that nothing is settled by it.
    bench.gateway.fault(preset="live_orders_preflight", times=None)
    bench.gateway.fault(action={"drop_connection": True}, match=match(bench))
    planned(bench, first)
    behind = planned(bench, second).orders.get()

    async def story() -> None:
        async with lab.working():
            left = Order.objects.filter(pk=behind.pk).exclude(status__in=["created", "submitted"])
            await lab.until(left.exists, "the exit behind the other change has left", 40)

    asyncio.run(story())
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.quantity, second.quantity) == (Decimal(10), Decimal(6))
    attempt = first.attempts.get(kind="modify")
    assert attempt.outcome == "ambiguous"


ASKED = "/trsrv/stocks"
TICKERS = 8


def exit_that_leaves(bench: lab.Lab) -> Order:
    made = bench.order(role="exit", side="sell")
    notify(ORDERS_CHANNEL, str(bench.connection.pk))
    return made


def wanted(bench: lab.Lab, count: int) -> None:
    for number in range(count):
        ContractLookup.objects.create(connection=bench.connection, ticker=f"XYZ{number}", asset_class="stock")


def test_a_lanes_own_questions_give_way_to_an_exit(bench: lab.Lab) -> None:
    """Every morning all contracts are asked for anew, one after the other."""
    bench.gateway.fault(action={"delay_ms": 1000}, match={"path": ASKED}, times=None)
    wanted(bench, TICKERS)
    made: list[int] = []

    def first_is_asked() -> bool:
        if bench.gateway.journal(bench.user, path=ASKED):
            exit_that_leaves(bench)
            made.append(len(bench.gateway.journal(bench.user, path=ASKED)))
        return bool(made)

    async def story() -> None:
        async with lab.working():
            await lab.until(first_is_asked, "the first contract is asked for", 40)
            unanswered = ContractLookup.objects.filter(status="wanted")
            await lab.until(lambda: not unanswered.exists(), "all are answered", 60)

    asyncio.run(story())
    entries = bench.gateway.journal(bench.user)
    left = next(
        number
        for number, entry in enumerate(entries)
        if entry["method"] == "POST" and entry["path"].endswith("/orders")
    )
    # One is under way when the exit comes, and one may have begun meanwhile.
    assert sum(ASKED in entry["path"] for entry in entries[:left]) <= made[0] + 1 < TICKERS


def test_each_kind_of_question_has_its_turn_while_ways_out_keep_coming(bench: lab.Lab) -> None:
    """Each exit comes while one question is under way, so that each round asks one."""
    for path in (ASKED, "/portfolio/*/summary"):
        bench.gateway.fault(action={"delay_ms": 400}, match={"path": path}, times=None)
    for _ in range(QUEUE):
        rows.account(bench.connection.team, bench.connection)
    BrokerageAccount.objects.filter(connection=bench.connection).update(book_wanted_at=timezone.now())
    wanted(bench, 1)
    seen = [0]

    def looks() -> int:
        return len(bench.gateway.journal(bench.user, path="/summary"))

    def contract_is_asked_for() -> bool:
        if (count := looks()) > seen[-1]:
            seen.append(count)
            exit_that_leaves(bench)
        return bool(bench.gateway.journal(bench.user, path=ASKED))

    async def story() -> None:
        async with lab.working():
            await lab.until(contract_is_asked_for, "the contract is asked for", 60)

    asyncio.run(story())
    # Without a turn of its own it would be asked for after all of the accounts.
    assert looks() < QUEUE
