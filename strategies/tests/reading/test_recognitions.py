"""Slips of senders that are recognised, said by name, and put right in the message shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest

from strategies.domain.message.freshness import Freshness, too_late
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading.corrections import corrected
from strategies.reading.parse import Reading, parse
from strategies.reading.sent import KNOWN
from strategies.reading.warnings import sentence

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
BUY = {"ticker": "SPY", "action": "buy", "quantity": 1}
TEXT = json.dumps(BUY)
PINE = '={"session":"extended","symbol":"NASDAQ:AAPL"}'


def read(values: dict[str, Any] | str, kind: Kind = Kind.STOCK) -> Reading:
    text = values if isinstance(values, str) else json.dumps(values)
    return parse(text.encode(), kind=kind, now=NOW)


def put_right(text: str) -> dict[str, Any] | None:
    correction = corrected(text, kind=Kind.STOCK, allowed_tickers=(), now=NOW)
    return None if correction is None else json.loads(correction.text)


@pytest.mark.parametrize(
    ("text", "name", "right"),
    [
        (f"{TEXT}=", "form-encoded", BUY),
        (urlencode({"payload": TEXT}), "form-encoded", BUY),
        (f"{quote_plus(TEXT)}=", "form-encoded", BUY),
        (f"message={TEXT}", "form-encoded", BUY),
        (
            '{"ticker": "SPY", "action": "buy", "message": "first\nsecond"}',
            "line break",
            {"ticker": "SPY", "action": "buy", "message": "first\nsecond"},
        ),
        (
            '{"ticker": "SPY", "action": "exit", "message": "stop\tout"}',
            "line break or a tab",
            {"ticker": "SPY", "action": "exit", "message": "stop\tout"},
        ),
        (
            '{"ticker": "SPY", "action": "buy", "message": "the "big" one"}',
            "quotation mark inside a text",
            {"ticker": "SPY", "action": "buy", "message": 'the "big" one'},
        ),
        (
            '{"ticker": "SPY", "message": "RSI "14" up", "action": "buy"}',
            "quotation mark inside a text",
            {"ticker": "SPY", "message": 'RSI "14" up', "action": "buy"},
        ),
        (json.dumps({"ticker": PINE, "action": "buy"}), "syminfo.tickerid", {"ticker": "NASDAQ:AAPL", "action": "buy"}),
        ('{"ticker": "' + PINE + '", "action": "buy"}', "id of a chart", {"ticker": "NASDAQ:AAPL", "action": "buy"}),
    ],
)
def test_it_is_refused_by_name_and_shown_put_right(text: str, name: str, right: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read(text)
    assert name in refused.value.message
    assert put_right(text) == right


@pytest.mark.parametrize("name", sorted(KNOWN - {"ticker", "action"}))
def test_null_means_absent_in_every_field(name: str) -> None:
    reading = read({"ticker": "SPY", "action": "buy", name: None})
    assert reading.message == read({"ticker": "SPY", "action": "buy"}).message
    assert reading.warnings == (f"blank-field:{name}",)


def test_null_means_absent_inside_a_bracket() -> None:
    reading = read({**BUY, "stopLoss": {"type": "stop", "percent": 2, "amount": None}})
    assert reading.message.stop_loss is not None
    assert reading.warnings == ("blank-field:stopLoss.amount",)


@pytest.mark.parametrize("zero", ["0", 0, "0.0"])
@pytest.mark.parametrize("close", [{"sentiment": "flat"}, {"marketPosition": "flat"}])
def test_a_close_of_zero_closes_all(zero: object, close: dict[str, str]) -> None:
    reading = read({"ticker": "SPY", "action": "sell", "quantity": zero, **close})
    assert (reading.message.sentiment, reading.message.quantity) == ("flat", None)
    assert reading.warnings == ("ignored-quantity",)
    assert "left out" in sentence("ignored-quantity")


@pytest.mark.parametrize("values", [{"sentiment": "long"}, {}])
def test_any_other_order_of_zero_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        read({"ticker": "SPY", "action": "sell", "quantity": 0, **values})
    assert refused.value.code == "invalid-quantity"


@pytest.mark.parametrize(("quantity", "warned"), [("0.1", True), (1, True), (1000, False), (25000, False)])
def test_lots_of_a_pair_are_told_from_units(quantity: object, warned: bool) -> None:
    for kind in (Kind.FOREX, Kind.CFD):
        reading = read({"ticker": "EURUSD", "action": "buy", "quantity": quantity}, kind)
        assert (reading.warnings == (f"small-forex-quantity:{quantity}",)) is warned
    # Ounces and CFDs on shares are counted one by one.
    for ticker in ("XAUUSD", "AAPL"):
        assert read({"ticker": ticker, "action": "buy", "quantity": quantity}, Kind.CFD).warnings == ()
    assert "100000 units" in sentence(f"small-forex-quantity:{quantity}")


@pytest.mark.parametrize("action", ["cancel", "breakeven"])
@pytest.mark.parametrize("kind", ["percent_of_equity", "dollar_amount", "risk_percent"])
def test_what_makes_no_order_takes_no_size(action: str, kind: str) -> None:
    body = {"ticker": "SPY", "action": action, "quantity": 1, "quantityType": kind}
    with pytest.raises(Refused) as refused:
        read(body)
    assert refused.value.code == "invalid-quantity-type-action"
    assert put_right(json.dumps(body)) == {"ticker": "SPY", "action": action}


def test_an_old_name_is_taken_with_a_warning() -> None:
    reading = read({**BUY, "stopLoss": {"type": "trailing_stop", "trailPrice": 0.5}})
    assert reading.warnings == ("deprecated-field:stopLoss.trailPrice",)
    assert "stopLoss.trailAmount" in sentence(reading.warnings[0])


@pytest.mark.parametrize(
    ("values", "right"),
    [
        (
            {"ticker": "SPY", "action": "sell", "quantity": 0, "sentiment": "flat"},
            {"ticker": "SPY", "action": "sell", "sentiment": "flat"},
        ),
        (
            {**BUY, "stopLoss": {"type": "trailing_stop", "trailPrice": 2}},
            {**BUY, "stopLoss": {"type": "trailing_stop", "trailAmount": 2}},
        ),
        # The opening of the bar, one bar ago.
        (
            {**BUY, "time": "2026-11-20T14:55:00Z", "interval": "5"},
            {**BUY, "time": "{{timenow}}", "interval": "5"},
        ),
        ({**BUY, "time": "2026-11-20T14:59:58Z", "interval": "5"}, None),
        ({**BUY, "time": "2026-11-20T15:00:00Z", "interval": "5"}, None),
        ({**BUY, "time": "2026-11-20T14:55:00Z"}, None),
    ],
)
def test_what_is_taken_with_a_warning_is_shown_put_right_too(
    values: dict[str, Any], right: dict[str, Any] | None
) -> None:
    read(values)
    assert put_right(json.dumps(values)) == right


def test_a_bars_time_is_named_where_it_is_too_old() -> None:
    message = read({**BUY, "action": "add", "time": "2026-11-20T14:55:00Z"}).message
    aside = too_late(message, Freshness(), NOW)
    assert aside is not None
    assert aside.sentence.endswith("If this is a bar's time, {{time}}, send {{timenow}}.")
