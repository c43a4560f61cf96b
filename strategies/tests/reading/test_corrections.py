"""A refused message put right: where it is plain what was meant, and nowhere else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from strategies.domain.message.symbols import Kind
from strategies.reading.corrections import Correction, corrected
from strategies.reading.parse import parse

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
CASES = [
    json.loads(line) for line in (Path(__file__).parent / "payloads" / "webhook_cases.jsonl").read_text().splitlines()
]


def put_right(text: str, kind: Kind = Kind.STOCK) -> Correction | None:
    return corrected(text, kind=kind, allowed_tickers=(), now=NOW)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"symbol": "SPY", "side": "buy"}', {"ticker": "SPY", "action": "buy"}),
        ('{"Ticker": "SPY", "ACTION": "buy"}', {"ticker": "SPY", "action": "buy"}),
        ("{'ticker': 'SPY', 'action': 'buy'}", {"ticker": "SPY", "action": "buy"}),
        ('[{"ticker": "SPY", "action": "buy"}]', {"ticker": "SPY", "action": "buy"}),
        ('{"ticker": "SPY", "action": "close"}', {"ticker": "SPY", "action": "exit"}),
        ('{"ticker": "SPY", "action": "buyy"}', {"ticker": "SPY", "action": "buy"}),
        (
            '{"ticker": "SPY", "action": "buy", "orderType": "Stop Limit"}',
            {"ticker": "SPY", "action": "buy", "orderType": "stop_limit"},
        ),
        (
            '{"ticker": "SPY", "action": "buy", "quantity": 1, "quantityType": "risk_per_position"}',
            {"ticker": "SPY", "action": "buy", "quantity": 1, "quantityType": "risk_dollar_amount"},
        ),
        ('{"ticker": "SPY", "action": "buy", "test": "true"}', {"ticker": "SPY", "action": "buy", "test": True}),
        (
            '{"ticker": "SPY", "action": "exit", "sentiment": "flat"}',
            {"ticker": "SPY", "action": "exit"},
        ),
        (
            '{"ticker": "SPY", "action": "buy", "stopLoss": {"type": "trailing-stop", "trailAmount": "$1.50"}}',
            {"ticker": "SPY", "action": "buy", "stopLoss": {"type": "trailing_stop", "trailAmount": "1.50"}},
        ),
        ('{"ticker": "SPY", "action": "buy", "limit_price": 5}', {"ticker": "SPY", "action": "buy", "limitPrice": 5}),
    ],
)
def test_it_puts_right_what_is_plain(text: str, values: dict[str, Any]) -> None:
    correction = put_right(text)
    assert correction is not None
    assert json.loads(correction.text) == values
    assert correction.changes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "buy SPY",
        "[]",
        '{"ticker": "SPY", "action": "buy"}',
        '{"ticker": "SPY"}',
        '{"ticker": "SPY", "action": "buy", "quantity": "ten"}',
        '{"ticker": "SPY", "action": "buy", "quantity": "1,5"}',
        '{"ticker": "SPY", "action": "buy", "quantity": "10%"}',
        '{"ticker": "SPY", "action": "buy", "quantity": -1}',
        '{"ticker": "SPY", "action": "buy", "stopLoss": {"percent": 1, "amount": 2}}',
        '{"ticker": "SPY", "action": "buy", "quantity": 1, "quantity": 2}',
        '{"ticker": "{{ticker}}", "action": "buy"}',
        "[" * 60_000,
        '{"a": ' * 5_000,
        "," * 65_536,
        ":" + " " * 65_000,
    ],
)
def test_it_leaves_alone_what_is_right_or_not_plain(text: str) -> None:
    assert put_right(text) is None


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_what_it_suggests_is_always_taken(case: dict[str, Any]) -> None:
    kind = {"stocks": Kind.STOCK, "futures": Kind.FUTURE, "options": Kind.OPTION}.get(
        case["context"].get("asset_class", "stocks")
    ) or Kind(case["context"]["asset_class"])
    allowed = case["context"].get("allowed_tickers") or ()
    correction = corrected(str(case["body"]), kind=kind, allowed_tickers=allowed, now=NOW)
    if correction is not None:
        parse(correction.text.encode(), kind=kind, allowed_tickers=allowed, now=NOW)
