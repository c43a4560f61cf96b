"""How orders and positions look."""

from __future__ import annotations

from decimal import Decimal

from brokers.models import Position
from brokers.templatetags import trading


def test_a_gain_is_seen_from_the_holders_side() -> None:
    short = Position(market_price=Decimal(90), average_cost=Decimal(100), quantity=Decimal(-5))
    assert trading.gain(short) == "+10.00 %"
