"""Signals in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strategies.display.one_line import describe_message
from strategies.domain.message.message import Message


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (
            {"action": "exit", "quantity": {"value": "50", "type": "percent_of_position"}},
            "exit 50 % of the position AAPL",
        ),
        ({"action": "sell", "sentiment": "flat", "signal_price": "9.5"}, "sell AAPL at 9.5, sentiment flat"),
        ({"action": "buy", "target_quantity": "-3"}, "buy to a position of -3 AAPL"),
        ({"action": "buy", "order": {"type": "stop_limit"}}, "buy AAPL as stop limit"),
    ],
)
def test_a_signal_reads_as_one_line(reading: dict[str, Any], words: str) -> None:
    message = Message.from_reading(
        {"instrument": {"class": "stock", "symbol": "AAPL"}, **json.loads(json.dumps(reading))}
    )
    assert describe_message(message) == words
