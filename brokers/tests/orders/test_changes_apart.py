"""An order that is made smaller and made a market order: the tries of one change never count for the other."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import OrderType
from brokers.models import Order, SubmissionAttempt
from brokers.orders import changes, conversions, resizes, sizes
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_conversions import changes as at_gateway

pytestmark = pytest.mark.django_db(transaction=True)
LATER = timedelta(seconds=61)


@pytest.fixture
def exit_(team: Team) -> Order:
    """A limit order over ten that has worked for longer than it was given, and is to be six."""
    now = timezone.now()
    account = rows.account(team)
    return rows.order(
        account,
        role="exit",
        side="sell",
        type="limit",
        limit_price=Decimal(9999),
        quantity=Decimal(10),
        status="accepted",
        broker_order_id="1",
        acknowledged_at=now - LATER,
        convert_after=60,
    )


def attempt(order: Order, outcome: str, change: str, kind: str = "limit", *, kept: bool = True) -> SubmissionAttempt:
    now = timezone.now()
    request = {"type": kind, "quantity": "6", "was": "10"} | ({"change": change} if kept else {})
    answered = None if outcome == "" else now
    return SubmissionAttempt.objects.create(
        order=order,
        kind="modify",
        request=request,
        request_hash="x",
        sent_at=now,
        answered_at=answered,
        outcome=outcome,
    )


def ask_for_six(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(
        resize_to=Decimal(6), resize_asked_at=timezone.now() - timedelta(seconds=1)
    )


@pytest.mark.parametrize("outcome", ["accepted", "rejected", "partly_accepted"])
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "from before"])
def test_an_order_that_was_made_smaller_still_becomes_a_market_order(exit_: Order, outcome: str, kept: bool) -> None:
    attempt(exit_, outcome, changes.RESIZE, kept=kept)
    assert list(conversions.due(timezone.now())) == [exit_]
    change = conversions.next_change(exit_.connection_id, timezone.now())
    assert change is not None
    assert not change.doubtful


def test_a_resize_in_doubt_is_no_doubt_about_the_market_order(exit_: Order) -> None:
    attempt(exit_, "", changes.RESIZE)
    change = conversions.next_change(exit_.connection_id, timezone.now())
    assert change is not None
    assert not change.doubtful


@pytest.mark.parametrize("outcome", ["accepted", "rejected"])
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "from before"])
def test_an_order_that_ibkr_was_asked_to_make_a_market_order_still_shrinks(
    exit_: Order, outcome: str, kept: bool
) -> None:
    ask_for_six(exit_)
    attempt(exit_, outcome, changes.CONVERSION, "market", kept=kept)
    assert list(conversions.due(timezone.now())) == []
    assert list(resizes.due()) == [exit_]
    change = resizes.next_change(exit_.connection_id, timezone.now())
    assert change is not None
    assert not change.doubtful


def test_three_lost_resizes_leave_the_market_order_its_own_three(exit_: Order) -> None:
    for _ in range(changes.MOST_ATTEMPTS):
        attempt(exit_, changes.NOT_APPLIED, changes.RESIZE)
    attempt(exit_, "ambiguous", changes.CONVERSION, "market")
    facts = OrderFacts(account_id=exit_.account.account_id, broker_order_id="1", type=OrderType.LIMIT)
    assert conversions.settle_lost(exit_, [facts], timezone.now())
    exit_.refresh_from_db()
    assert exit_.reason == ""
    assert list(conversions.due(timezone.now())) == [exit_]


def test_a_report_from_before_a_resize_is_old_news_after_a_market_order_too(exit_: Order) -> None:
    now = timezone.now()
    attempt(exit_, "accepted", changes.RESIZE)
    Order.objects.filter(pk=exit_.pk).update(quantity=Decimal(6))
    exit_.refresh_from_db()
    made_market = attempt(exit_, "accepted", changes.CONVERSION, "market")
    made_market.request["was"] = "6"
    made_market.save()
    stale = OrderFacts(account_id=exit_.account.account_id, broker_order_id="1", quantity=Decimal(10))
    sizes.follow(exit_, stale, now)
    exit_.refresh_from_db()
    assert exit_.quantity == 6


def test_at_ibkr_an_order_shrinks_and_then_becomes_a_market_order(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway)
    order = bench.order(type="limit", limit_price=Decimal("1.00"), quantity=Decimal(10), convert_after=60)
    lab.work()
    order.refresh_from_db()
    assert order.status == "accepted"
    ask_for_six(order)
    lab.work()
    order.refresh_from_db()
    assert (order.quantity, order.type) == (Decimal(6), "limit")
    Order.objects.filter(pk=order.pk).update(acknowledged_at=timezone.now() - LATER)
    lab.work()
    order.refresh_from_db()
    assert (order.quantity, order.type) == (Decimal(6), "market")
    assert [(change["orderType"], change["quantity"]) for change in at_gateway(bench)] == [("LMT", 6), ("MKT", 6)]
