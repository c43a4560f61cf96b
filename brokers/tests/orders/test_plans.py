"""Plans on their way out: cancels first, orders that cancel each other, a flip's entry after its exit; a real gateway."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import Instrument, OrderIntent, OrderStatus, OrderType, Release, Role, Side, TimeInForce
from brokers.models import Order, Ticket
from brokers.orders import cancels, tickets, unsent
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)
AAPL = Instrument(ticker="AAPL")


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def intent(role: str, side: str, quantity: int = 1, **values: Any) -> OrderIntent:
    fields = {"type": OrderType.MARKET, **values}
    return OrderIntent(role=Role(role), instrument=AAPL, side=Side(side), quantity=Decimal(quantity), **fields)


def resting(bench: lab.Lab, **values: Any) -> Order:
    """A buy far below the market that the broker has."""
    order = bench.order(type="limit", limit_price=Decimal("1.00"), **values)
    lab.work()
    order.refresh_from_db()
    assert order.status == OrderStatus.ACCEPTED
    return order


def opened(bench: lab.Lab, *intents: OrderIntent, cancels: tuple[str, ...] = (), **known: Decimal) -> Ticket:
    now = timezone.now()
    draft = tickets.Draft(
        account=bench.account,
        key=uuid.uuid4(),
        conid=265598,
        currency="USD",
        multiplier=Decimal(1),
        intents=intents,
        cancels=cancels,
        known=known,
        expires_at=now + timedelta(minutes=1),
    )
    with transaction.atomic():
        return tickets.open_tickets([draft], now)[0]


def watched(done: Callable[[], bool], what: str) -> None:
    async def story() -> None:
        async with lab.watching():
            await asyncio.to_thread(lab.work)
            await lab.until(done, what)

    asyncio.run(story())


def status(order: Order) -> str:
    return str(Order.objects.values_list("status", flat=True).get(pk=order.pk))


def test_an_order_waits_until_what_its_plan_cancels_is_over(bench: lab.Lab) -> None:
    old = resting(bench)
    ticket = opened(bench, intent("entry", "buy", 2), cancels=(old.reference,))
    new = ticket.orders.get()
    assert status(old) == OrderStatus.PENDING_CANCEL
    lab.work()
    assert status(new) == OrderStatus.CREATED, "the broker has not said yet that the old one is over"
    watched(lambda: status(old) == "canceled", "the old order is canceled")
    lab.work()
    assert status(new) not in {"created", "expired"}
    assert [row["totalSize"] for row in bench.at_broker() if row["orderType"] == "Market"] == [2.0]


def test_nothing_leaves_when_the_order_to_be_canceled_filled_instead(bench: lab.Lab) -> None:
    old = resting(bench)
    ticket = opened(bench, intent("entry", "buy", 2), cancels=(old.reference,))
    Order.objects.filter(pk=old.pk).update(status="filled", filled_quantity=Decimal(1))
    lab.work()
    new = ticket.orders.get()
    assert new.status == OrderStatus.CREATED
    assert len(bench.posts()) == 1
    unsent.expire_overdue(timezone.now() + timedelta(minutes=2))
    new.refresh_from_db()
    assert new.status == OrderStatus.EXPIRED
    assert new.reason == (
        "Not sent: the order to buy 1 AAPL was filled before it could be canceled, so the plan no longer fits the position."
    )


def test_a_fill_that_the_plan_did_not_know_of_ends_it_at_once(bench: lab.Lab) -> None:
    old = resting(bench)
    Order.objects.filter(pk=old.pk).update(status="canceled", filled_quantity=Decimal("0.5"))
    ticket = opened(bench, intent("entry", "buy", 2), cancels=(old.reference,), **{old.reference: Decimal(0)})
    assert status(ticket.orders.get()) == OrderStatus.CANCELED
    ticket.refresh_from_db()
    assert ticket.unfit_at is not None
    assert ticket.worked_at is not None


def test_an_order_that_never_left_is_canceled_by_the_plan_at_once(bench: lab.Lab) -> None:
    old = bench.order()
    ticket = opened(bench, intent("entry", "buy", 2), cancels=(old.reference,))
    assert status(old) == OrderStatus.CANCELED
    lab.work()
    assert ticket.orders.get().status == OrderStatus.ACCEPTED
    assert len(bench.posts()) == 1


def test_a_plan_of_cancels_alone_is_worked_when_they_are_asked_for(bench: lab.Lab) -> None:
    old = resting(bench)
    ticket = opened(bench, cancels=(old.reference,))
    ticket.refresh_from_db()
    assert (status(old), ticket.worked_at is not None) == ("pending_cancel", True)


def test_a_cancel_waits_for_an_order_that_is_on_its_way(bench: lab.Lab) -> None:
    old = resting(bench)
    Order.objects.filter(pk=old.pk).update(status="submitted", broker_order_id="")
    ticket = opened(bench, cancels=(old.reference,))
    assert status(old) == OrderStatus.SUBMITTED
    Order.objects.filter(pk=old.pk).update(status="accepted", broker_order_id=old.broker_order_id)
    cancels.ask_due(timezone.now())
    ticket.refresh_from_db()
    assert (status(old), ticket.worked_at is not None) == ("pending_cancel", True)


def test_legs_of_a_group_cancel_one_another(bench: lab.Lab) -> None:
    profit = intent(
        "take_profit",
        "sell",
        type=OrderType.LIMIT,
        limit_price=Decimal(9999),
        release=Release.IN_GROUP,
        time_in_force=TimeInForce.GTC,
    )
    stop = intent("stop_loss", "sell", type=OrderType.STOP, stop_price=Decimal("1.00"), then=(profit,))
    ticket = opened(bench, stop)
    lab.work()
    assert [order.status for order in ticket.orders.order_by("pk")] == ["accepted", "accepted"]
    (post,) = bench.posts()
    assert [leg["isSingleGroup"] for leg in json.loads(post["body"])["orders"]] == [True, True]
    assert all("parentId" not in leg for leg in json.loads(post["body"])["orders"])


def test_a_trailing_stop_reaches_the_broker(bench: lab.Lab) -> None:
    ticket = opened(bench, intent("exit", "sell", type=OrderType.TRAILING_STOP, trail_percent=Decimal(5)))
    lab.work()
    assert ticket.orders.get().status == OrderStatus.ACCEPTED
    (row,) = bench.at_broker()
    assert row["origOrderType"] == "TRAIL"


def test_a_flips_entry_leaves_when_its_exit_has_filled(bench: lab.Lab) -> None:
    entry = intent("entry", "buy", 3, release=Release.AFTER_PARENT_FILLS, leave_within=30)
    ticket = opened(bench, intent("exit", "buy", 2, then=(entry,)))
    leaving, entering = ticket.orders.order_by("pk")
    assert entering.expires_at < leaving.expires_at

    async def story() -> None:
        async with lab.watching():
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: status(leaving) == "filled", "the exit is filled")
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: status(entering) == "filled", "the entry is filled")

    asyncio.run(story())
    assert [json.loads(entry["body"])["orders"][0]["quantity"] for entry in bench.posts()] == [2, 3]


def test_an_order_is_canceled_when_it_worked_for_the_time_it_was_given(bench: lab.Lab) -> None:
    order = resting(bench, cancel_after=60)
    assert order.acknowledged_at is not None
    assert cancels.ask_due(order.acknowledged_at + timedelta(seconds=59)) == 0
    assert cancels.ask_due(order.acknowledged_at + timedelta(seconds=61)) == 1
    assert status(order) == OrderStatus.PENDING_CANCEL
