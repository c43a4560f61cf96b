"""Orders that wait to be touched: their prices on the ticks, on the side of the market where they wait, and refused else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.orders import Contract, Instrument, OrderIntent, OrderType, Side
from strategies.domain.decide.decide import decide
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.contradictions import contradictions
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import AAPL, NOW, message, quote, shape, snapshot, working

D = Decimal
MIT, LIT = "market_if_touched", "limit_if_touched"
PRICES = st.decimals(D("0.0001"), D(5000), places=4)
BANDED = Contract(instrument=Instrument(ticker="AAPL"), conid=1, increments=((D(0), D("0.0001")), (D(1), D("0.01"))))


def decided(
    asked: Message, *orders: Any, position: int = 0, terms: Terms | None = None, **book: Any
) -> Plan | Rejection:
    return decide(asked, terms or Terms(), snapshot(position, *orders, **book), NOW)


def planned(answer: Plan | Rejection) -> OrderIntent:
    assert isinstance(answer, Plan), answer
    return answer.intents[0]


def refused(answer: Plan | Rejection) -> tuple[str, str]:
    assert isinstance(answer, Rejection), answer
    assert answer.reason.endswith(".")
    return answer.rule, answer.code


@pytest.mark.parametrize(
    ("action", "order", "prices"),
    [
        ("buy", shape(MIT, touch="95.555"), (None, D("95.55"))),
        ("sell", shape(MIT, touch="105.555"), (None, D("105.56"))),
        ("buy", shape(LIT, touch="95"), (D(95), D(95))),
        ("buy", shape(LIT, touch="95", limit="94.999"), (D("94.99"), D(95))),
        ("sell", shape(LIT, touch="105", limit="106.001"), (D("106.01"), D(105))),
    ],
)
def test_its_prices_lie_on_the_ticks(action: str, order: Any, prices: tuple[Decimal | None, Decimal]) -> None:
    intent = planned(decided(message(action, 10, order=order, signal_price=D(100))))
    assert (intent.limit_price, intent.stop_price) == prices
    assert intent.type == order.type


@pytest.mark.parametrize(
    ("action", "touch", "seen", "book"),
    [
        ("buy", "100", D(100), {}),
        ("buy", "100.01", D(100), {}),
        ("sell", "100", D(100), {}),
        ("sell", "99", D(100), {}),
        ("buy", "99.5", D(100), {"quote": quote("99.4", "99.5")}),
        ("buy", "98.5", None, {"mark": D(98)}),
    ],
)
@pytest.mark.parametrize("kind", [MIT, LIT])
def test_a_touch_where_it_would_fill_at_once_is_refused(
    kind: str, action: str, touch: str, seen: Decimal | None, book: Any
) -> None:
    asked = message(action, 10, order=shape(kind, touch=touch), signal_price=seen)
    assert refused(decided(asked, **book)) == ("P07", "touch-on-wrong-side")


def test_without_a_price_of_the_market_it_is_taken_as_it_is() -> None:
    assert planned(decided(message("buy", 1, order=shape(MIT, touch="95")))).stop_price == 95


def test_it_has_no_price_but_the_signals() -> None:
    asked = message("buy", 1, signal_price=D(100))
    answer = decided(asked, terms=Terms(order_type=OrderType.MARKET_IF_TOUCHED))
    assert refused(answer) == ("P01", "price-required")
    assert isinstance(answer, Rejection)
    assert "touchPrice" in answer.reason


def test_terms_that_never_learn_the_price_contradict_themselves() -> None:
    silent = Terms(order_type=OrderType.MARKET_IF_TOUCHED, allow_overrides=False)
    assert "order_type" in dict(contradictions(silent))
    assert contradictions(Terms(order_type=OrderType.LIMIT_IF_TOUCHED)) == []


@given(st.sampled_from([MIT, LIT]), st.sampled_from(list(Side)), PRICES, PRICES)
def test_whatever_is_sent_it_waits_on_its_side_or_is_refused(
    kind: str, side: Side, touch: Decimal, market: Decimal
) -> None:
    asked = message(str(side), 10, order=shape(kind, touch=touch), signal_price=market)
    answer = decided(asked, contract=BANDED)
    if isinstance(answer, Rejection):
        assert answer.rule in {"P02", "P07"}
        # Only where the price itself, before it was rounded to its better side, was on the wrong one.
        assert answer.rule == "P02" or (market - touch) * side.sign <= 0 or touch % BANDED.tick_at(touch)
        return
    intent = answer.intents[0]
    assert intent.stop_price is not None
    assert (market - intent.stop_price) * side.sign > 0
    assert (intent.stop_price - touch) * side.sign <= 0
    assert intent.stop_price % BANDED.tick_at(intent.stop_price) == 0
    assert intent.limit_price == (intent.stop_price if kind == LIT else None)


def test_an_exit_that_waits_to_be_touched_keeps_a_stop_beside_it() -> None:
    stop = working("stop_loss", "sell", 10, kind="stop", stop_price=D(90))
    asked = message("exit", order=shape(MIT, touch="110"), signal_price=D(100))
    intent = planned(decided(asked, stop, position=10))
    assert (intent.type, intent.stop_price, intent.quantity) == (OrderType.MARKET_IF_TOUCHED, D(110), D(10))
    assert [(leg.type, leg.stop_price) for leg in intent.then] == [(OrderType.STOP, D(90))]


def test_the_size_is_reckoned_at_its_price() -> None:
    terms = Terms(stop_loss=None)
    asked = message("buy", 960, quantity_type="dollar_amount", order=shape(MIT, touch="96"), signal_price=D(100))
    assert planned(decided(asked, terms=terms, contract=AAPL)).quantity == 10
