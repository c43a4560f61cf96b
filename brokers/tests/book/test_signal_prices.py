"""Paper trading without a feed: a simulated market that stands where the signal saw it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.domain.orders import OrderStatus
from brokers.models import Order
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway, settings: Any) -> Iterator[lab.Lab]:
    """The gateway's market and ours agree that signals make the prices."""
    settings.SIM_PRICES = "signal"
    with gateway.behaving(prices="signal", signal_slippage_bps=10):
        yield lab.make(team, gateway)
    gateway.clear_quotes()


def at_broker(bench: lab.Lab, order: Order) -> dict[str, Any]:
    order.refresh_from_db()
    assert order.status == OrderStatus.ACCEPTED
    return next(row for row in bench.at_broker() if str(row["orderId"]) == order.broker_order_id)


def test_an_order_fills_at_its_signals_price_and_slippage(bench: lab.Lab) -> None:
    order = bench.order(signal_price=Decimal(512))
    lab.work()
    assert Decimal(at_broker(bench, order)["avgPrice"]) == Decimal("512.52")


def test_an_order_without_a_signals_price_meets_the_last_one(bench: lab.Lab) -> None:
    bench.order(signal_price=Decimal(512))
    lab.work()
    later = bench.order(side="sell", role="exit")
    lab.work()
    assert Decimal(at_broker(bench, later)["avgPrice"]) == Decimal("511.48")


def test_a_market_with_prices_of_its_own_is_told_nothing(bench: lab.Lab, settings: Any) -> None:
    settings.SIM_PRICES = "generated"
    order = bench.order(signal_price=Decimal(512))
    lab.work()
    assert Decimal(at_broker(bench, order)["avgPrice"]) < Decimal(400)


def test_an_order_leaves_even_when_its_price_cannot_be_told(bench: lab.Lab, settings: Any) -> None:
    settings.SIM_CONTROL_TOKEN = "not the token"
    order = bench.order(signal_price=Decimal(512))
    lab.work()
    order.refresh_from_db()
    assert order.status == OrderStatus.ACCEPTED
    assert len(bench.posts()) == 1
