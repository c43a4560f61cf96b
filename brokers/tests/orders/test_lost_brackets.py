"""A bracket whose answer was lost: its legs show no reference of ours, and are found, or sent again, with their parent."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import OrderType, Release, TimeInForce
from brokers.models import Order, Ticket
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import intent, opened

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def bracket(bench: lab.Lab) -> Ticket:
    """An entry that rests, with a stop and a take profit."""
    with_parent = {"release": Release.WITH_PARENT, "time_in_force": TimeInForce.GTC}
    stop = intent("stop_loss", "sell", 5, type=OrderType.STOP, stop_price=Decimal("0.50"), **with_parent)
    profit = intent("take_profit", "sell", 5, type=OrderType.LIMIT, limit_price=Decimal(9999), **with_parent)
    entry = intent("entry", "buy", 5, type=OrderType.LIMIT, limit_price=Decimal("1.00"), then=(stop, profit))
    return opened(bench, entry)


def legs_sent(bench: lab.Lab) -> list[int]:
    return [len(json.loads(post["body"])["orders"]) for post in bench.posts()]


def test_the_legs_are_found_by_their_parent(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"drop_connection": True}, match=PLACE, phase="after")
    ticket = bracket(bench)
    lab.work()
    books = {reference: str(order["order_id"]) for reference, order in bench.gateway.books(bench.user).items()}
    orders = list(ticket.orders.order_by("pk"))
    assert [order.status for order in orders] == ["accepted", "accepted", "accepted"]
    assert {order.reference: order.broker_order_id for order in orders} == books
    assert legs_sent(bench) == [3]


def test_a_bracket_that_never_arrived_is_sent_again_whole(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"drop_connection": True}, match=PLACE)
    ticket = bracket(bench)
    lab.work()
    assert [order.status for order in ticket.orders.order_by("pk")] == ["accepted", "accepted", "accepted"]
    assert legs_sent(bench) == [3, 3]


def test_a_leg_that_the_broker_has_not_is_not_sent_without_its_parent(bench: lab.Lab) -> None:
    ticket = bracket(bench)
    lab.work()
    stop = ticket.orders.get(role="stop_loss")
    Order.objects.filter(pk=stop.pk).update(status="unknown", changed_at=timezone.now() - timedelta(minutes=1))
    lab.miss(stop)
    assert (stop.status, stop.reason) == (
        "expired",
        "Not placed: IBKR has the order that this leg came with, and not the leg. Check how it is protected.",
    )


@pytest.mark.parametrize("status", ["unknown", "needs_attention"])
def test_a_leg_that_is_missed_before_its_parent_waits_for_it_and_leaves_with_it(bench: lab.Lab, status: str) -> None:
    bench.gateway.fault(action={"drop_connection": True}, match=PLACE)
    ticket = bracket(bench)
    long_ago = timezone.now() - timedelta(minutes=1)
    ticket.orders.update(status="unknown", changed_at=long_ago, submitted_at=long_ago)
    ticket.orders.filter(role="entry").update(status=status)
    stop, entry = ticket.orders.get(role="stop_loss"), ticket.orders.get(role="entry")
    lab.miss(stop)
    assert stop.status == "unknown"
    ticket.orders.filter(role="entry").update(status="unknown")
    lab.miss(entry)
    assert entry.status == "created"
    lab.miss(stop)
    assert stop.status == "created"
