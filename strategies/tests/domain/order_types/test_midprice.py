"""Orders midway between bid and ask: a cap where one is sent, no price else, and of US shares alone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.domain.orders import AssetClass, Contract, Instrument, OrderType, TimeInForce
from strategies.domain.decide.decide import decide
from strategies.domain.message import symbols
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.contradictions import contradictions
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, message, quote, shape, snapshot, working

D = Decimal
MNQ = Contract(
    instrument=Instrument(ticker="MNQ", asset_class=AssetClass.FUTURE), conid=7, exchange="CME", tick=D("0.25")
)


@pytest.mark.parametrize(("limit", "cap"), [(None, None), ("99.999", D("99.99"))])
def test_its_limit_is_the_signals_or_none(limit: str | None, cap: Decimal | None) -> None:
    order = shape("midprice", **({} if limit is None else {"limit": limit}))
    answer = decide(message("buy", 10, order=order, signal_price=D(100)), Terms(), snapshot(), NOW)
    assert isinstance(answer, Plan), answer
    intent = answer.intents[0]
    assert (intent.type, intent.limit_price, intent.stop_price) == (OrderType.MIDPRICE, cap, None)


def test_it_is_sized_and_protected_from_the_middle_of_the_market() -> None:
    asked = message("buy", 1000, quantity_type="dollar_amount", order=shape("midprice", limit="105"))
    answer = decide(asked, Terms(), snapshot(quote=quote("99", "101")), NOW)
    assert isinstance(answer, Plan), answer
    assert answer.intents[0].quantity == 10


def test_an_exit_by_it_keeps_a_stop_beside_it() -> None:
    stop = working("stop_loss", "sell", 10, kind="stop", stop_price=D(90))
    asked = message("exit", order=shape("midprice"), signal_price=D(100))
    answer = decide(asked, Terms(), snapshot(10, stop), NOW)
    assert isinstance(answer, Plan), answer
    assert [leg.stop_price for leg in answer.intents[0].then] == [D(90)]


def test_it_joins_no_auction_and_works_in_regular_hours_alone() -> None:
    answer = decide(message("buy", 1, order=shape("midprice", tif="opg")), Terms(), snapshot(), NOW)
    assert isinstance(answer, Rejection)
    assert (answer.rule, answer.code) == ("P06", "invalid-time-in-force")
    outside = Terms(order_type=OrderType.MIDPRICE, outside_rth=True)
    assert "outside_rth" in dict(contradictions(outside))
    answer = decide(message("buy", 1, order=shape("midprice", extended=True)), Terms(), snapshot(), NOW)
    assert isinstance(answer, Plan)
    assert (answer.intents[0].outside_rth, answer.intents[0].time_in_force) == (False, TimeInForce.DAY)


def test_it_is_not_asked_of_a_future() -> None:
    asked = message("buy", 1, symbol=symbols.read("MNQ1!", Kind.FUTURE, NOW), order=shape("midprice"))
    answer = decide(asked, Terms(), snapshot(contract=MNQ), NOW)
    assert isinstance(answer, Rejection), answer
    assert (answer.rule, answer.code) == ("R01", "order_type_not_supported_for_asset_class")
