"""touchPrice: what goes with it, and one coded sentence for what does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading.parse import parse

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def read(**fields: Any) -> Message:
    body = json.dumps({"ticker": "SPY", "action": "buy", "quantity": 1, **fields})
    return parse(body.encode(), kind=Kind.STOCK, allowed_tickers=(), now=NOW).message


@pytest.mark.parametrize("kind", ["market_if_touched", "LIMIT_IF_TOUCHED"])
def test_it_is_read_and_stored(kind: str) -> None:
    asked = read(orderType=kind, touchPrice="=600 * 0.99")
    assert (asked.order.type, asked.order.touch) == (kind.lower(), Decimal(594))
    assert Message.from_reading(asked.reading()) == asked


def test_it_may_come_without_a_type_that_the_subscription_has() -> None:
    assert read(touchPrice=594).order.touch == 594


@pytest.mark.parametrize(
    "fields",
    [
        {"orderType": "market_if_touched"},
        {"orderType": "limit_if_touched", "limitPrice": 594},
        {"orderType": "market_if_touched", "touchPrice": 0},
        {"orderType": "market_if_touched", "touchPrice": "-1"},
        {"orderType": "market_if_touched", "touchPrice": "low"},
        {"orderType": "market_if_touched", "touchPrice": "{{low}}"},
        {"orderType": "market_if_touched", "touchPrice": True},
        {"orderType": "limit", "limitPrice": 594, "touchPrice": 594},
        {"orderType": "stop", "touchPrice": 594},
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read(**fields)
    code = "unexpanded-placeholder" if fields.get("touchPrice") == "{{low}}" else "invalid-touch-price"
    assert (refused.value.code, refused.value.field) == (code, "touchPrice")
    assert refused.value.message.endswith(".")


def test_a_distance_does_not_go_with_it() -> None:
    with pytest.raises(Refused) as refused:
        read(orderType="market_if_touched", touchPrice=594, trailPercent=1)
    assert refused.value.code == "invalid-trailing-stop"
