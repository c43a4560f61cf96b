"""What a signal that modifies may say, and one coded sentence for what it may not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.message.freshness import leaves, undoes
from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading.parse import parse

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def read(**fields: Any) -> Message:
    body = json.dumps({"ticker": "SPY", "action": "modify", **fields})
    return parse(body.encode(), kind=Kind.STOCK, allowed_tickers=(), now=NOW).message


def test_it_is_read_and_stored() -> None:
    asked = read(stopPrice="=600 * 0.99", takeProfit={"limitPrice": 650}, quantity=4, entryId="long-1")
    assert (asked.order.stop, asked.quantity, asked.entry_id) == (Decimal(594), Decimal(4), "long-1")
    assert Message.from_reading(asked.reading()) == asked
    assert leaves(asked)


@pytest.mark.parametrize(
    ("fields", "tif", "end"),
    [
        ({"goodTillDate": "+1 hour"}, "gtd", "2026-11-20T16:00:00Z"),
        ({"timeInForce": "GTD", "goodTillDate": "2026-12-04"}, "gtd", "2026-12-04"),
        ({"timeInForce": "gtc"}, "gtc", None),
    ],
)
def test_another_end_is_read_and_stored(fields: dict[str, Any], tif: str, end: str | None) -> None:
    asked = read(**fields)
    assert (asked.order.tif, asked.order.good_till) == (tif, end)
    assert Message.from_reading(asked.reading()) == asked


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({}, "nothing-to-change", "action"),
        ({"price": 600}, "nothing-to-change", "action"),
        ({"stopPrice": 595, "orderType": "stop"}, "invalid-modify", "orderType"),
        ({"limitPrice": 595, "timeInForce": "day"}, "invalid-modify", "timeInForce"),
        ({"timeInForce": 5}, "invalid-modify", "timeInForce"),
        ({"timeInForce": "gtd"}, "invalid-good-till-date", "goodTillDate"),
        ({"timeInForce": "gtc", "goodTillDate": "+1 day"}, "invalid-good-till-date", "goodTillDate"),
        ({"goodTillDate": "2026-11-18"}, "good-till-date-passed", "goodTillDate"),
        ({"goodTillDate": "+13 weeks"}, "good-till-date-too-far", "goodTillDate"),
        ({"goodTillDate": "soon"}, "invalid-good-till-date", "goodTillDate"),
        ({"stopPrice": 595, "stopLoss": {"percent": 1}}, "invalid-modify", "stopPrice"),
        ({"stopPrice": 595, "trailAmount": 1}, "invalid-modify", "trailAmount"),
        ({"trailPercent": 1, "trailAmount": 1}, "invalid-trailing-stop", "orderType"),
        ({"stopPrice": 0}, "invalid-stop-price", "stopPrice"),
        ({"quantity": 10, "quantityType": "percent_of_equity"}, "invalid-quantity-type-action", "quantityType"),
        ({"stopPrice": 595, "entryId": " "}, None, None),
        ({"stopPrice": 595, "entryId": "{{strategy.order.id}}"}, "unexpanded-placeholder", "entryId"),
        ({"stopPrice": 595, "entryId": "x" * 121}, "invalid-entry-id", "entryId"),
        ({"action": "buy", "quantity": 1, "entryId": "A"}, "invalid-entry-id", "entryId"),
        ({"stopPrice": 595, "sentiment": "long"}, "invalid-sentiment-action", "sentiment"),
    ],
)
def test_what_it_may_not_say(fields: dict[str, Any], code: str | None, field: str | None) -> None:
    if code is None:
        assert read(**fields).entry_id is None
        return
    with pytest.raises(Refused) as refused:
        read(**fields)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert refused.value.message.endswith(".")


def test_an_older_change_undoes_a_newer_one_and_no_other_signal_undoes_it() -> None:
    assert undoes(("modify", None), ("modify", None))
    assert undoes(("modify", None), ("buy", None))
    assert not undoes(("buy", None), ("modify", None))
