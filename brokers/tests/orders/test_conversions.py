"""Limit orders that become market orders in place, at a real gateway."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import OrderStatus, OrderType, Release
from brokers.models import Order
from brokers.orders import conversions
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import intent, opened, resting, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def overdue(bench: lab.Lab, **values: Any) -> Order:
    """A limit order far from the market that has worked for longer than it was given."""
    order = resting(bench, convert_after=60, **values)
    Order.objects.filter(pk=order.pk).update(acknowledged_at=timezone.now() - timedelta(seconds=61))
    order.refresh_from_db()
    return order


def changes(bench: lab.Lab) -> list[dict[str, Any]]:
    """Every change that reached the gateway, as IBKR reads it."""
    entries = bench.gateway.journal(bench.user, method="POST")
    return [json.loads(entry["body"]) for entry in entries if "/order/" in entry["path"]]


def match(bench: lab.Lab) -> dict[str, str]:
    return {"user": bench.user, "method": "POST", "path": "/iserver/account/*/order/*"}


def causes(order: Order) -> list[str]:
    return list(order.events.order_by("id").values_list("cause", flat=True))


def is_filled(order: Order) -> bool:
    return status(order) == "filled"


def at_work(*orders: Order) -> None:
    """News comes home and lanes run until the orders are filled."""

    async def story() -> None:
        async with lab.watching():
            for order in orders:
                while not await asyncio.to_thread(lab.holds, partial(is_filled, order)):
                    await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 25))


def test_an_order_in_time_is_left_alone(bench: lab.Lab) -> None:
    order = resting(bench, convert_after=60)
    assert order.acknowledged_at is not None
    assert list(conversions.due(order.acknowledged_at + timedelta(seconds=59))) == []
    assert list(conversions.due(order.acknowledged_at + timedelta(seconds=60))) == [order]
    lab.work()
    assert changes(bench) == []


def test_an_overdue_order_becomes_a_market_order_in_place(bench: lab.Lab) -> None:
    order = overdue(bench, outside_rth=True)
    number = order.broker_order_id
    at_work(order)
    order.refresh_from_db()
    assert (order.type, order.limit_price, order.outside_rth, order.broker_order_id) == ("market", None, False, number)
    assert order.reason == "Changed to a market order: it was not filled within 60 seconds at 1."
    (change,) = changes(bench)
    assert (change["orderType"], change["cOID"], change["quantity"], "price" in change) == (
        "MKT",
        order.reference,
        1,
        False,
    )
    assert len(bench.posts()) == 1
    assert "not filled within 60 seconds at 1; IBKR is asked to make it a market order" in causes(order)
    attempt = order.attempts.get(kind="modify")
    assert (attempt.outcome, attempt.request["type"]) == ("accepted", "market")


def test_the_entry_behind_it_leaves_when_it_has_filled(bench: lab.Lab) -> None:
    entry = intent("entry", "buy", 3, release=Release.AFTER_PARENT_FILLS, leave_within=180)
    fields = {"type": OrderType.LIMIT, "limit_price": Decimal("1.00"), "convert_after": 60}
    ticket = opened(bench, intent("exit", "buy", 2, then=(entry,), **fields))
    leaving, entering = ticket.orders.order_by("pk")
    lab.work()
    Order.objects.filter(pk=leaving.pk).update(acknowledged_at=timezone.now() - timedelta(seconds=61))
    at_work(leaving, entering)
    assert [json.loads(each["body"])["orders"][0]["quantity"] for each in bench.posts()] == [2, 3]


def test_a_question_about_the_change_is_answered_like_any_other(bench: lab.Lab) -> None:
    order = overdue(bench)
    bench.gateway.fault(action={"question": ["o354"]}, match=match(bench))
    at_work(order)
    order.refresh_from_db()
    assert order.type == "market"
    assert list(order.attempts.order_by("pk").values_list("kind", "outcome")) == [
        ("post", "accepted"),
        ("modify", "accepted"),
        ("reply", "accepted"),
    ]


def test_a_question_that_is_not_ours_to_confirm_leaves_it_as_it_is(bench: lab.Lab) -> None:
    order = overdue(bench)
    bench.gateway.fault(action={"question": ["o383"]}, match=match(bench))
    lab.work()
    order.refresh_from_db()
    assert (order.status, order.type) == ("accepted", "limit")
    assert order.reason.startswith("Kept as a limit order: IBKR did not make it a market order. IBKR asked")


def test_a_refused_change_keeps_the_order_and_says_so_once(bench: lab.Lab) -> None:
    order = overdue(bench)
    refusal = "Order couldn't be modified: not now."
    bench.gateway.fault(action={"body": {"error": refusal}, "status": 200}, match=match(bench), times=5)
    lab.work()
    lab.work()
    order.refresh_from_db()
    assert (order.status, order.type, order.limit_price) == ("accepted", "limit", Decimal(1))
    assert order.reason.startswith(
        "Kept as a limit order: IBKR did not make it a market order. IBKR did not change the"
    )
    assert order.reason.endswith(f'IBKR: "{refusal}"')
    assert order.reason_code == "order-not-changed"
    assert order.events.latest("id").cause == order.reason[:300]
    assert len(changes(bench)) == 1


def test_a_change_whose_answer_is_lost_is_looked_up_and_not_repeated(bench: lab.Lab) -> None:
    order = overdue(bench)
    bench.gateway.fault(action={"drop_connection": True}, match=match(bench), phase="after")
    at_work(order)
    order.refresh_from_db()
    assert len(changes(bench)) == 1
    assert order.status == "filled"


def test_what_the_broker_shows_settles_a_change_in_doubt(bench: lab.Lab) -> None:
    order, now = overdue(bench), timezone.now()
    attempt, _ = conversions.begin(order, now)
    assert shown_as(bench, order, "LIMIT", now)
    assert order.attempts.get(pk=attempt).outcome == "not_applied"
    assert status(order) == "accepted"
    again, _ = conversions.begin(order, now)
    assert shown_as(bench, order, "MARKET", now)
    order.refresh_from_db()
    assert (order.attempts.get(pk=again).outcome, order.type) == ("accepted", "market")


def test_nothing_is_asked_again_while_the_broker_shows_nothing(bench: lab.Lab) -> None:
    order, now = overdue(bench), timezone.now()
    conversions.begin(order, now)
    assert not conversions.settle_lost(order, [], now)
    change = conversions.next_change(bench.connection.pk, now)
    assert change is not None
    assert change.doubtful


def test_it_is_not_asked_for_ever(bench: lab.Lab) -> None:
    order, now = overdue(bench), timezone.now()
    for _ in range(3):
        assert conversions.next_change(bench.connection.pk, now) is not None
        conversions.begin(order, now)
        shown_as(bench, order, "LIMIT", now)
    assert conversions.next_change(bench.connection.pk, now) is None
    order.refresh_from_db()
    assert order.reason.endswith("It was asked 3 times, and its answers were lost.")


def shown_as(bench: lab.Lab, order: Order, kind: str, now: datetime) -> bool:
    fact = OrderFacts(
        account_id=bench.account.account_id,
        broker_order_id=order.broker_order_id,
        type=OrderType(kind.lower()),
        status=OrderStatus.ACCEPTED,
    )
    return conversions.settle_lost(order, [fact], now)


def test_an_order_that_is_being_canceled_is_not_changed(bench: lab.Lab) -> None:
    order = overdue(bench)
    assert Order.objects.move(order, OrderStatus.PENDING_CANCEL, now=timezone.now())
    assert conversions.next_change(bench.connection.pk, timezone.now()) is None


def test_a_gateway_that_is_away_is_asked_when_it_is_back(team: Team, settings: Any) -> None:
    with running_gateway() as gateway:
        settings.GATEWAY_URL = gateway.url
        bench = lab.make(team, gateway)
        order = overdue(bench)
        gateway.kill()

        async def story() -> None:
            working = asyncio.create_task(asyncio.to_thread(lab.work))
            await lab.until(order.attempts.filter(outcome="not_sent").exists, "the change was not sent")
            await asyncio.to_thread(gateway.restart)
            await lab.until(lambda: order.attempts.filter(outcome="accepted", kind="modify").exists(), "it is sent")
            await working

        asyncio.run(story())
        order.refresh_from_db()
        assert (order.type, len(changes(bench))) == ("market", 1)
