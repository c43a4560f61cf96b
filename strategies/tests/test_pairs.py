"""A reading in the words of the trade."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from strategies.domain.pairs import pairs

CASES = Path(__file__).parent / "payloads" / "webhook_cases.jsonl"
READINGS = [case["canonical"] for case in map(json.loads, CASES.read_text().splitlines()) if case.get("canonical")]


def test_it_says_what_a_bracket_means() -> None:
    reading = {
        "action": "buy", "instrument": {"class": "future", "symbol": "MNQZ2026", "root": "MNQ"},
        "quantity": {"value": "2", "type": "risk_percent"}, "order": {"type": "stop_limit", "limit": "100"},
        "stop_loss": {"type": "stop", "mode": "percent", "value": "5"},
        "take_profit": {"mode": "limitPrice", "value": "120"}, "extras": {"rsi_14": 23}, "test": True,
    }  # fmt: skip
    assert pairs(reading) == [
        ("Action", "Buy"), ("Instrument", "MNQZ2026 (future)"), ("Root", "MNQ"),
        ("Quantity", "risking 2 % of the account"), ("Order type", "stop_limit"), ("Limit price", "100"),
        ("Stop loss", "stop, 5 % from the entry"), ("Take profit", "at 120"), ("Extras: rsi_14", "23"), ("Test", "Yes"),
    ]  # fmt: skip


@pytest.mark.parametrize("reading", READINGS)
def test_it_leaves_nothing_of_a_reading_out(reading: dict[str, Any]) -> None:
    told = " ".join(text for _, text in pairs(reading)).lower()
    for value in _leaves(reading):
        assert value.lower().replace("_", " ") in told.replace("_", " ")


def _leaves(value: Any, name: str = "") -> list[str]:
    if isinstance(value, dict):
        return [leaf for key, each in value.items() for leaf in _leaves(each, key)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    # Told by the words around the number.
    if value is None or isinstance(value, bool) or name == "mode" or (name == "type" and "_" in str(value)):
        return []
    return [] if value == "fixed_quantity" else [str(value)]
