"""Order types that name an auction: read, merged with the terms, and asked of the classes that have the auction."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.orders import (
    FOR_AUCTIONS,
    AssetClass,
    Contract,
    Instrument,
    OrderIntent,
    OrderType,
    TimeInForce,
)
from brokers.domain.sessions import Environment
from brokers.domain.trading_hours import TradingHours
from strategies.domain.decide.decide import decide
from strategies.domain.message import symbols
from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.effective import Leg, effective
from strategies.domain.terms.terms import MarketClosed, Terms
from strategies.reading.parse import parse
from strategies.tests.domain.cases_of_decide import NOW, message, shape, snapshot

D = Decimal
NIGHT = datetime(2026, 11, 20, 2, tzinfo=UTC)
EURUSD = Contract(
    instrument=Instrument(ticker="EURUSD", asset_class=AssetClass.FOREX), conid=12087792, tick=D("0.00005")
)


def read(**fields: Any) -> Message:
    body = json.dumps({"ticker": "SPY", "action": "buy", "quantity": 1, **fields})
    return parse(body.encode(), kind=Kind.STOCK, allowed_tickers=(), now=datetime(2026, 11, 20, 15, tzinfo=UTC)).message


def planned(order_type: str, terms: Terms | None = None, at: datetime = NOW, **book: Any) -> OrderIntent:
    asked = message("buy", 1, order=shape(order_type, limit="99.999"), signal_price=D(100))
    answer = decide(asked, terms or Terms(), snapshot(**book), at)
    assert isinstance(answer, Plan), answer
    return answer.intents[0]


@pytest.mark.parametrize("name", FOR_AUCTIONS)
def test_it_is_read_kept_and_is_its_type_and_its_auction(name: str) -> None:
    asked = read(orderType=name.upper())
    assert Message.from_reading(asked.reading()) == asked
    assert asked.reading()["order"]["type"] == name
    assert asked.order.prices_from_quote == (("limit",) if name.startswith("limit") else ())
    intent = planned(name)
    assert (intent.type, intent.time_in_force) == FOR_AUCTIONS[name]
    assert intent.limit_price == (D("99.99") if intent.type is OrderType.LIMIT else None)


@pytest.mark.parametrize(
    ("name", "tif"), [("market_on_open", "opg"), ("limit_on_close", "cls"), ("market_on_close", "CLS")]
)
def test_the_same_said_twice_is_taken(name: str, tif: str) -> None:
    assert read(orderType=name, timeInForce=tif).order.type == name


@pytest.mark.parametrize(
    ("name", "tif"), [("market_on_open", "day"), ("market_on_open", "cls"), ("limit_on_close", "gtc")]
)
def test_another_time_in_force_is_refused(name: str, tif: str) -> None:
    with pytest.raises(Refused) as refused:
        read(orderType=name, timeInForce=tif)
    assert (refused.value.code, refused.value.field) == ("invalid-time-in-force", "timeInForce")
    assert name in refused.value.message
    assert refused.value.message.endswith(".")


def test_no_working_order_is_of_such_a_type() -> None:
    with pytest.raises(Refused) as refused:
        read(action="cancel", cancelOrderType="market_on_open")
    assert refused.value.code == "invalid-cancel-order-type"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"allow_overrides": True}, (OrderType.MARKET, TimeInForce.OPG)),
        ({"allow_overrides": False, "signal_fields": ("orderType",)}, (OrderType.MARKET, TimeInForce.OPG)),
        # Never the type without its auction: it would trade at once.
        ({"allow_overrides": False, "signal_fields": ("timeInForce",)}, (OrderType.LIMIT, TimeInForce.GTC)),
        ({"allow_overrides": False}, (OrderType.LIMIT, TimeInForce.GTC)),
    ],
)
def test_a_signal_says_both_or_neither(fields: dict[str, Any], expected: tuple[OrderType, TimeInForce]) -> None:
    terms = Terms(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, **fields)
    merged = effective(read(orderType="market_on_open"), terms, Leg.ENTRY)
    assert (merged.order_type.value, merged.time_in_force.value) == expected


@pytest.mark.parametrize("terms", [Terms(market_closed=MarketClosed.REJECT), Terms(outside_rth=True)])
def test_a_market_order_for_the_open_is_sent_while_the_market_is_closed(terms: Terms) -> None:
    opens, day = datetime(2026, 11, 19, 14, 30, tzinfo=UTC).timestamp(), 86_400
    sessions = tuple((int(opens + day * n), int(opens + day * n) + 23_400) for n in (0, 1))
    closed = TradingHours(zone="America/New_York", regular=sessions, extended=sessions)
    intent = planned("market_on_open", terms, at=NIGHT, as_of=NIGHT, hours=closed, environment=Environment.PAPER)
    assert (intent.type, intent.time_in_force, intent.outside_rth) == (OrderType.MARKET, TimeInForce.OPG, False)


@pytest.mark.parametrize("name", FOR_AUCTIONS)
def test_it_is_not_asked_of_a_class_without_the_auction(name: str) -> None:
    asked = message(
        "buy",
        30_000,
        symbol=symbols.read("EURUSD", Kind.FOREX, NOW),
        order=shape(name, limit="1.1"),
        signal_price=D("1.1"),
    )
    answer = decide(asked, Terms(), snapshot(contract=EURUSD), NOW)
    assert isinstance(answer, Rejection), answer
    assert (answer.rule, answer.code) == ("R01", "order_type_not_supported_for_asset_class")
