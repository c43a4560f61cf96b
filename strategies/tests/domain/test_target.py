"""`targetQuantity`: our own field, the position to have afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading import contract

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def read(**values: Any) -> Message:
    body = {"ticker": "AAPL", "action": "buy", **values}
    return contract.read(body, kind=Kind.STOCK, allowed_tickers=(), now=NOW)[0]


@pytest.mark.parametrize(("sent", "meant"), [("10", 10), (-10, -10), ("0", 0), ("-3.0", -3)])
def test_it_reads_a_signed_position(sent: object, meant: int) -> None:
    message = read(targetQuantity=sent)
    assert message.target_quantity == Decimal(meant)
    assert Message.from_reading(json.loads(json.dumps(message.reading()))) == message


@pytest.mark.parametrize(
    ("size", "side", "target"),
    [("45", "long", 45), ("45", "short", -45), ("-45", "short", -45), ("0", "flat", 0), (45, "bearish", -45)],
)
@pytest.mark.parametrize("field", ["sentiment", "marketPosition"])
def test_a_size_without_a_sign_takes_the_side_beside_it(field: str, size: object, side: str, target: int) -> None:
    reading = read(targetQuantity=size, **{field: side})
    assert (reading.target_quantity, reading.sentiment) == (Decimal(target), None)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"targetQuantity": "2.5"}, "invalid-target-quantity"),
        ({"targetQuantity": "many"}, "invalid-target-quantity"),
        ({"targetQuantity": "{{strategy.position_size}}"}, "unexpanded-placeholder"),
        ({"targetQuantity": 5, "quantity": 1}, "invalid-target-quantity"),
        ({"targetQuantity": -5, "sentiment": "bullish"}, "invalid-target-quantity"),
        ({"targetQuantity": 5, "sentiment": "flat"}, "invalid-target-quantity"),
        ({"targetQuantity": 0, "marketPosition": "short"}, "invalid-target-quantity"),
        ({"targetQuantity": 5, "marketPosition": "up"}, "invalid-market-position"),
        ({"targetQuantity": 5, "action": "exit"}, "invalid-target-quantity-action"),
    ],
)
def test_it_refuses_what_would_be_ambiguous(values: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        read(**values)
    assert refused.value.code == code
