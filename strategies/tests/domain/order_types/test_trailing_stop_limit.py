"""Trailing stops that become limit orders: their first prices, on the ticks, and one sentence where none can be told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.orders import Contract, Instrument, OrderIntent, OrderType, Side
from strategies.domain.decide.decide import decide
from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import Terms
from strategies.reading.parse import parse
from strategies.tests.domain.cases_of_decide import NOW, message, shape, snapshot, working

D = Decimal
HUNDRED = D(100)
KIND = "trailing_stop_limit"
BANDED = Contract(instrument=Instrument(ticker="AAPL"), conid=1, increments=((D(0), D("0.0001")), (D(1), D("0.01"))))


def decided(action: str, order: Any, seen: Decimal | None = HUNDRED, **book: Any) -> Plan | Rejection:
    return decide(message(action, 10, order=order, signal_price=seen), Terms(), snapshot(**book), NOW)


def planned(answer: Plan | Rejection) -> OrderIntent:
    assert isinstance(answer, Plan), answer
    return answer.intents[0]


def read(**fields: Any) -> Message:
    body = json.dumps({"ticker": "SPY", "action": "buy", "quantity": 1, **fields})
    return parse(body.encode(), kind=Kind.STOCK, allowed_tickers=(), now=datetime(2026, 11, 20, 15, tzinfo=UTC)).message


@pytest.mark.parametrize(
    ("action", "order", "prices"),
    [
        ("sell", shape(KIND, trail_percent=2), (D(98), D(98))),
        ("sell", shape(KIND, trail_percent=2, limit_offset="0.5"), (D(98), D("97.5"))),
        ("sell", shape(KIND, trail_amount="1.504", limit_offset="0.107"), (D("98.5"), D("98.4"))),
        ("buy", shape(KIND, trail_amount=3, limit_offset=1), (D(103), D(104))),
        ("buy", shape(KIND, trail_percent="0.333", limit_offset=0), (D("100.33"), D("100.33"))),
    ],
)
def test_its_first_prices_follow_from_the_market(action: str, order: Any, prices: tuple[Decimal, Decimal]) -> None:
    intent = planned(decided(action, order))
    assert (intent.type, intent.stop_price, intent.limit_price) == (OrderType.TRAILING_STOP_LIMIT, *prices)
    assert (intent.trail_amount is None) == (intent.trail_percent is not None)


def test_it_leaves_a_position_too() -> None:
    intent = planned(
        decide(message("exit", order=shape(KIND, trail_amount=2), signal_price=D(100)), Terms(), snapshot(10), NOW)
    )
    assert (intent.side, intent.stop_price, intent.limit_price) == (Side.SELL, D(98), D(98))


@pytest.mark.parametrize(
    ("order", "seen", "rule"),
    [
        (shape(KIND, trail_percent=2), None, ("P01", "price-required")),
        (shape(KIND), D(100), ("P04", "trail-required")),
        (shape(KIND, trail_amount=100), D(100), ("P02", "invalid-stop-price")),
        (shape(KIND, trail_amount=1, limit_offset=99), D(100), ("P02", "invalid-limit-price")),
        (shape(KIND, trail_amount=1, tif="cls"), D(100), ("P06", "invalid-time-in-force")),
    ],
)
def test_where_no_price_can_be_told_it_is_refused(order: Any, seen: Decimal | None, rule: tuple[str, str]) -> None:
    answer = decided("sell", order, seen)
    assert isinstance(answer, Rejection), answer
    assert (answer.rule, answer.code) == rule


@given(
    st.sampled_from(["buy", "sell"]),
    st.decimals(D("0.01"), D(5000), places=4),
    st.decimals(D("0.01"), D(90), places=2),
    st.decimals(0, D(10), places=4),
)
def test_its_limit_is_never_on_the_market_side_of_its_stop(
    action: str, market: Decimal, percent: Decimal, offset: Decimal
) -> None:
    answer = decided(action, shape(KIND, trail_percent=percent, limit_offset=offset), market, contract=BANDED)
    if isinstance(answer, Rejection):
        assert answer.rule == "P02"
        return
    intent = answer.intents[0]
    assert intent.stop_price is not None
    assert intent.limit_price is not None
    tick = BANDED.tick_at(max(intent.stop_price, intent.limit_price))
    assert (intent.limit_price - intent.stop_price) * intent.side.sign > -tick
    for price in (intent.stop_price, intent.limit_price):
        assert price % BANDED.tick_at(price) == 0


def test_it_is_read_and_stored() -> None:
    asked = read(orderType=KIND, trailPercent=1.5, limitOffset="0.25")
    assert (asked.order.type, asked.order.trail_percent, asked.order.limit_offset) == (KIND, D("1.5"), D("0.25"))
    assert Message.from_reading(asked.reading()) == asked


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"orderType": KIND}, "invalid-trailing-stop"),
        ({"orderType": KIND, "trailPercent": 1, "trailAmount": 1}, "invalid-trailing-stop"),
        ({"orderType": KIND, "trailPercent": 1, "limitOffset": -1}, "invalid-limit-offset"),
        ({"orderType": KIND, "trailPercent": 1, "limitOffset": "far"}, "invalid-limit-offset"),
        ({"orderType": "trailing_stop", "trailPercent": 1, "limitOffset": 1}, "invalid-limit-offset"),
        ({"orderType": KIND, "action": "add", "trailPercent": 1}, "invalid-trailing-stop"),
        ({"orderType": KIND, "trailPercent": 1, "touchPrice": 5}, "invalid-touch-price"),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        read(**fields)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


def test_an_exit_by_it_keeps_the_stop_for_a_market_that_leaves_its_limit_behind() -> None:
    stop = working("stop_loss", "sell", 10, kind="stop", stop_price=D(90))
    leg = message("exit", order=shape(KIND, trail_amount=1), signal_price=HUNDRED)
    intent = planned(decide(leg, Terms(), snapshot(10, stop), NOW))
    assert intent.type is OrderType.TRAILING_STOP_LIMIT
    assert [(each.type, each.stop_price) for each in intent.then] == [(OrderType.STOP, D(90))]
