"""A reading in the words of the trade: whatever was taken can be told."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from strategies.display.readings import pairs
from strategies.reading.parse import evaluate

CASES = Path(__file__).resolve().parents[1] / "reading" / "payloads" / "webhook_cases.jsonl"


def _taken() -> list[Any]:
    cases = [json.loads(line) for line in CASES.read_text().splitlines()]
    return [pytest.param(case, id=case["id"]) for case in cases if case["expect"] == "accept"]


@pytest.mark.parametrize("case", _taken())
def test_every_reading_of_the_cases_can_be_told(case: dict[str, Any], now: datetime) -> None:
    case["context"].setdefault("now", now.isoformat())
    described = pairs(evaluate(case)["canonical"])
    assert dict(described)["Action"]
    assert all(name and text for name, text in described)


def test_a_stored_reading_is_told_in_the_order_of_the_contract() -> None:
    stored = {
        "delay": 5,
        "order": {"type": "market"},
        "action": "buy",
        "stop_loss": {"mode": "percent", "value": "5"},
        "instrument": {"class": "stock", "symbol": "SPY"},
        "quantity": {"type": "fixed_quantity", "value": "1"},
    }
    names = [name for name, _ in pairs(stored)]
    assert names == ["Action", "Instrument", "Quantity", "Order type", "Stop loss", "Delay"]
