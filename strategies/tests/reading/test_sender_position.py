"""What the sender's strategy held before and after its order, in TradingView's words and with gaps."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading import contract
from strategies.reading.warnings import sentence

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
OLD = {"quantity": "10", "price": "600.5", "time": "2026-11-20T15:00:00Z"}


def read(action: str = "sell", **values: Any) -> tuple[Message, tuple[str, ...]]:
    return contract.read({"ticker": "AAPL", "action": action, **values}, kind=Kind.STOCK, allowed_tickers=(), now=NOW)


@pytest.mark.parametrize(
    ("action", "values", "sentiment", "position"),
    [
        # Everything that TradingView fills in.
        (
            "sell",
            {
                "quantity": "90",
                "marketPosition": "short",
                "marketPositionSize": "45",
                "prevMarketPosition": "long",
                "prevMarketPositionSize": "45",
            },
            "bearish",
            {"before": "45", "after": "-45"},
        ),
        # What is missing follows from what is there.
        (
            "sell",
            {"quantity": "90", "prevMarketPosition": "long", "prevMarketPositionSize": "45"},
            "bearish",
            {"before": "45", "after": "-45"},
        ),
        (
            "buy",
            {"quantity": 90, "sentiment": "long", "marketPositionSize": 45},
            "bullish",
            {"before": "-45", "after": "45"},
        ),
        (
            "sell",
            {"quantity": "10", "prevMarketPosition": "long", "prevMarketPositionSize": "10"},
            "flat",
            {"before": "10", "after": "0"},
        ),
        ("buy", {"quantity": "10", "marketPositionSize": "0"}, "flat", {"before": "-10", "after": "0"}),
        (
            "sell",
            {"quantity": "90", "sentiment": "short", "prevMarketPositionSize": "45"},
            "bearish",
            {"size_before": "45"},
        ),
        # Sums in binary leave a rest.
        (
            "sell",
            {"quantity": "0.3", "prevMarketPosition": "long", "prevMarketPositionSize": "0.30000000000000004"},
            "flat",
            {"before": "0.30000000000000004", "after": "0"},
        ),
        # TradingView's own names.
        (
            "sell",
            {"quantity": "5", "market_position": "flat", "prev_market_position_size": "5", "order_id": "TP 1"},
            "flat",
            {"before": "5", "after": "0"},
        ),
        # A quantity of another kind says nothing of units.
        (
            "sell",
            {"quantity": "50", "quantityType": "percent_of_position", "prevMarketPosition": "long"},
            None,
            {},
        ),
    ],
)
def test_it_reads_the_position_around_an_order(
    action: str, values: dict[str, Any], sentiment: str | None, position: dict[str, str]
) -> None:
    message, warnings = read(action, **values)
    assert (message.sentiment, message.sender_position.canonical()) == (sentiment, position)
    assert warnings == ()
    assert Message.from_reading(json.loads(json.dumps(message.reading()))) == message


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"marketPosition": "up"}, "invalid-market-position"),
        ({"prevMarketPositionSize": "many"}, "invalid-market-position-size"),
        ({"marketPosition": "{{strategy.market_position}}"}, "unexpanded-placeholder"),
        ({"prev_market_position_size": "{{strategy.prev_market_position_size}}"}, "unexpanded-placeholder"),
        ({"marketPosition": "long", "sentiment": "flat"}, "invalid-market-position"),
    ],
)
def test_it_refuses_a_position_that_cannot_be_read(values: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        read(quantity=1, **values)
    assert refused.value.code == code


def test_a_name_of_tradingview_that_holds_something_else_stays_unknown() -> None:
    message, warnings = read(quantity=1, market_position="-", prev_market_position_size=None)
    assert (message.sentiment, message.sender_position.canonical()) == (None, {})
    assert warnings == ("unknown-field:market_position", "unknown-field:prev_market_position_size")


@pytest.mark.parametrize("action", ["exit", "cancel", "add"])
def test_with_other_actions_the_position_informs_only(action: str) -> None:
    message, warnings = read(action, marketPosition="flat", marketPositionSize="0", orderId="Close")
    assert (message.sentiment, message.order_id, warnings) == (None, "Close", ())


def test_an_order_id_that_cannot_be_used_holds_no_order_back() -> None:
    message, warnings = read(quantity=1, orderId={"name": "Long"})
    assert (message.order_id, warnings) == (None, ("ignored-orderId",))
    assert len(read(quantity=1, orderId="x" * 500)[0].order_id or "") == 120


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        (OLD, "sentiment,orderId,prevMarketPositionSize"),
        ({**OLD, "sentiment": "long"}, "orderId,prevMarketPositionSize"),
        ({**OLD, "sentiment": "long", "interval": "5", "prev_market_position_size": "0"}, "orderId"),
        ({**OLD, "market_position": "long", "order_id": "Long"}, "prevMarketPositionSize"),
    ],
)
def test_an_old_text_of_a_tradingview_strategy_is_told_what_it_lacks(values: dict[str, Any], missing: str) -> None:
    _, warnings = read("buy", **values)
    assert warnings == (f"old-tradingview-text:{missing}",)
    for name in missing.split(","):
        assert name in sentence(warnings[0])
    assert sentence(warnings[0]).endswith("into the alert again.")


@pytest.mark.parametrize(
    "values",
    [
        {**OLD, "quantity": 10},
        {"quantity": "10"},
        {**OLD, "signalId": "a1"},
        {"targetQuantity": "10", "price": "600", "time": "2026-11-20T15:00:00Z"},
    ],
)
def test_a_program_is_not_taken_for_tradingview(values: dict[str, Any]) -> None:
    assert read("buy", **values)[1] == ()
