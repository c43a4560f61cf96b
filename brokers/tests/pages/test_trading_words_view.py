"""How orders and positions look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from brokers.models import Order, Position
from brokers.templatetags import trading

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def test_a_gain_is_seen_from_the_holders_side() -> None:
    short = Position(market_price=Decimal(90), average_cost=Decimal(100), quantity=Decimal(-5))
    assert trading.gain(short) == "+10.00 %"


def test_a_clock_that_runs_behind_gives_no_negative_time() -> None:
    order = Order(filled_at=AT - timedelta(milliseconds=3), acknowledged_at=None)
    assert trading.settled_after(order, AT) == 0.0
