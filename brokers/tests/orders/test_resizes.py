"""Legs that shrink where they stand, at a real gateway; what was planned behind them waits."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Team
from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import OrderStatus, Resize
from brokers.models import Order, Ticket
from brokers.orders import resizes, tickets, unsent
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_conversions import changes, match
from brokers.tests.orders.test_plans import intent, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def stop(bench: lab.Lab) -> Order:
    """A stop over ten that rests at the broker, far below the market."""
    order = bench.order(role="stop_loss", side="sell", type="stop", stop_price=Decimal("1.00"), quantity=Decimal(10))
    lab.work()
    order.refresh_from_db()
    assert order.status == OrderStatus.ACCEPTED
    return order


def planned(bench: lab.Lab, stop: Order, to: int = 6) -> Ticket:
    """A plan that leaves with four once the stop is over no more than `to`."""
    now = timezone.now()
    draft = tickets.Draft(
        account=bench.account,
        key=uuid.uuid4(),
        conid=265598,
        currency="USD",
        multiplier=Decimal(1),
        intents=(intent("exit", "sell", 4),),
        cancels=(),
        known={stop.reference: stop.filled_quantity},
        resizes=(Resize(reference=stop.reference, quantity=Decimal(to)),),
        expires_at=now + timedelta(minutes=1),
    )
    with transaction.atomic():
        return tickets.open_tickets([draft], now)[0]


def worked(done: Callable[[], bool], what: str) -> None:
    async def story() -> None:
        async with lab.watching():
            while not await asyncio.to_thread(lab.holds, done):
                await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 60))


def at_broker(bench: lab.Lab, kind: str) -> list[float]:
    return [row["totalSize"] for row in bench.at_broker() if row["orderType"] == kind]


def gone(exit_order: Order) -> Callable[[], bool]:
    return lambda: status(exit_order) not in {"created", "submitted"}


def test_the_stop_is_smaller_before_the_exit_leaves(bench: lab.Lab, stop: Order) -> None:
    number = stop.broker_order_id
    exit_order = planned(bench, stop).orders.get()
    worked(gone(exit_order), "the exit has left")
    stop.refresh_from_db()
    assert (stop.quantity, stop.resize_to, stop.broker_order_id, stop.status) == (Decimal(6), None, number, "accepted")
    assert at_broker(bench, "Stop") == [6.0]
    assert [each["quantity"] for each in changes(bench)] == [6]
    # One order all the time: there was no moment without a stop.
    assert not bench.gateway.journal(bench.user, method="DELETE")
    assert stop.events.order_by("-id")[0].cause == "IBKR has made it 6 instead of 10"


def test_an_exit_waits_for_the_smaller_stop(bench: lab.Lab, stop: Order) -> None:
    bench.gateway.fault(action={"drop_connection": True}, match=match(bench), phase="after")
    exit_order = planned(bench, stop).orders.get()
    # The answer was lost: what IBKR shows of the order settles it.
    worked(gone(exit_order), "the exit has left")
    stop.refresh_from_db()
    assert stop.quantity == 6


def test_a_refusal_ends_the_plan_and_the_stop_stays(bench: lab.Lab, stop: Order) -> None:
    bench.gateway.fault(action={"body": {"error": "It cannot be changed."}, "status": 200}, match=match(bench))
    ticket = planned(bench, stop)
    exit_order = ticket.orders.get()
    worked(lambda: status(exit_order) == "canceled", "the plan has ended")
    stop.refresh_from_db()
    ticket.refresh_from_db()
    assert (stop.quantity, stop.resize_to, stop.keeps_its_size, stop.status) == (Decimal(10), None, True, "accepted")
    assert ticket.unfit_at is not None
    assert at_broker(bench, "Stop") == [10.0]
    assert at_broker(bench, "Market") == []


def test_a_stop_is_not_asked_to_shrink_for_ever(bench: lab.Lab, stop: Order) -> None:
    ticket, now = planned(bench, stop), timezone.now()
    stop.refresh_from_db()
    for _ in range(3):
        assert resizes.next_change(bench.connection.pk, now) is not None
        resizes.begin(stop, now)
        assert resizes.settle_lost(stop, [shown(bench, stop, "10")], now)
    stop.refresh_from_db()
    assert (stop.quantity, stop.resize_to, stop.keeps_its_size) == (Decimal(10), None, True)
    assert stop.reason.endswith("It was asked 3 times, and its answers were lost.")
    assert [each.outcome for each in stop.attempts.filter(kind="modify").order_by("pk")] == [
        "not_applied",
        "not_applied",
        "rejected",
    ]
    assert status(ticket.orders.get()) == "canceled"


def test_what_the_broker_shows_settles_a_resize_in_doubt(bench: lab.Lab, stop: Order) -> None:
    planned(bench, stop)
    now = timezone.now()
    stop.refresh_from_db()
    attempt, _ = resizes.begin(stop, now)
    assert not resizes.settle_lost(stop, [], now)
    assert resizes.settle_lost(stop, [shown(bench, stop, "6")], now)
    stop.refresh_from_db()
    assert (stop.quantity, stop.resize_to) == (Decimal(6), None)
    assert stop.attempts.get(pk=attempt).outcome == "accepted"
    # Settled meanwhile, there is nothing left to look up.
    assert resizes.settle_lost(stop, [], now)


def shown(bench: lab.Lab, order: Order, remaining: str) -> OrderFacts:
    return OrderFacts(
        account_id=bench.account.account_id,
        broker_order_id=order.broker_order_id,
        status=OrderStatus.ACCEPTED,
        remaining_quantity=Decimal(remaining),
    )


def test_an_exit_that_is_too_late_leaves_the_stop_as_it_is(bench: lab.Lab, stop: Order) -> None:
    exit_order = planned(bench, stop).orders.get()
    unsent.expire_overdue(timezone.now() + timedelta(minutes=2))
    lab.work()
    stop.refresh_from_db()
    assert status(exit_order) == "expired"
    assert (stop.quantity, stop.resize_to) == (Decimal(10), None)
    assert changes(bench) == []


def test_a_stop_that_fills_meanwhile_ends_the_plan(bench: lab.Lab, stop: Order) -> None:
    ticket = planned(bench, stop)
    Order.objects.filter(pk=stop.pk).update(
        status="filled", filled_quantity=Decimal(10), resize_to=None, resize_asked_at=None
    )
    with transaction.atomic():
        tickets.end_unfit(Order.objects.filter(pk=stop.pk), timezone.now())
    ticket.refresh_from_db()
    assert (status(ticket.orders.get()), ticket.unfit_at is not None) == ("canceled", True)
    lab.work()
    assert at_broker(bench, "Market") == []
