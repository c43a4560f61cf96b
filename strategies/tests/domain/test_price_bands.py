"""Ticks by price band: the band of the order's own price counts, for entries, legs, distances and exits."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.domain.orders import AssetClass, Contract, Instrument, OrderIntent
from brokers.domain.snapshot import Snapshot
from strategies.domain.decide.decide import decide
from strategies.domain.message import symbols
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, bracket, message, quote, shape, snapshot

D = Decimal
SHARE = Contract(instrument=Instrument(ticker="AAPL"), conid=1, increments=((D(0), D("0.0001")), (D(1), D("0.01"))))
# As options are priced: by five cents below three, by ten from there on.
COARSE = Contract(
    instrument=Instrument(ticker="AAPL"), conid=2, tick=D("0.1"), increments=((D(0), D("0.05")), (D(3), D("0.1")))
)
# Steps that do not meet at the edge.
UNEVEN = Contract(instrument=Instrument(ticker="AAPL"), conid=3, increments=((D(0), D("0.03")), (D(1), D("0.05"))))
USDJPY = Contract(
    instrument=Instrument(ticker="USDJPY", asset_class=AssetClass.FOREX),
    conid=4,
    currency="JPY",
    tick=D("0.005"),
    increments=((D(0), D("0.005")),),
)


def planned(asked: Message, book: Snapshot, terms: Terms | None = None) -> OrderIntent:
    answer = decide(asked, terms or Terms(), book, NOW)
    assert isinstance(answer, Plan), answer
    return answer.intents[0]


@pytest.mark.parametrize(
    ("contract", "action", "price", "expected"),
    [
        (SHARE, "buy", "0.45678", "0.4567"),
        (SHARE, "sell", "0.45678", "0.4568"),
        (SHARE, "buy", "4.5678", "4.56"),
        (SHARE, "sell", "0.99999", "1"),
        (SHARE, "buy", "1.0049", "1"),
        (SHARE, "sell", "0.9999999999999998", "1"),
        (COARSE, "buy", "2.97", "2.95"),
        (COARSE, "sell", "2.97", "3"),
        (COARSE, "buy", "3.05", "3"),
        (COARSE, "sell", "3.05", "3.1"),
        (COARSE, "sell", "2.9999999999999996", "3"),
        (UNEVEN, "sell", "0.995", "1.05"),
        (UNEVEN, "buy", "0.995", "0.99"),
    ],
)
def test_an_order_lies_on_the_ticks_of_its_own_price(
    contract: Contract, action: str, price: str, expected: str
) -> None:
    book = snapshot(contract=contract)
    assert planned(message(action, 1, order=shape("limit", limit=price)), book).limit_price == D(expected)
    assert planned(message(action, 1, order=shape("stop", stop=price)), book).stop_price == D(expected)


def test_each_leg_has_the_ticks_of_its_own_price() -> None:
    asked = message(
        "buy", 1, signal_price=D("1.02"), stop_loss=bracket("percent", 11), take_profit=bracket("percent", 11)
    )
    stop, profit = planned(asked, snapshot(contract=SHARE)).then
    assert (stop.stop_price, profit.limit_price) == (D("0.9078"), D("1.14"))
    asked = message(
        "buy", 1, signal_price=D("2.95"), stop_loss=bracket("amount", "0.33"), take_profit=bracket("amount", "0.33")
    )
    stop, profit = planned(asked, snapshot(contract=COARSE)).then
    assert (stop.stop_price, profit.limit_price) == (D("2.65"), D("3.3"))
    limited = message(
        "buy", 1, signal_price=D("0.5"), stop_loss=bracket("stopPrice", "0.44444", "stop_limit", limit="0.43333")
    )
    (stop,) = planned(limited, snapshot(contract=SHARE)).then
    assert (stop.stop_price, stop.limit_price) == (D("0.4445"), D("0.4334"))


def test_a_trailing_stop_follows_by_the_ticks_of_the_price_it_follows() -> None:
    asked = message("buy", 1, signal_price=D("0.5"), stop_loss=bracket("trailAmount", "0.01234", "trailing_stop"))
    assert planned(asked, snapshot(contract=SHARE)).then[0].trail_amount == D("0.0123")
    asked = message("buy", 1, signal_price=D(50), stop_loss=bracket("trailAmount", "0.01234", "trailing_stop"))
    assert planned(asked, snapshot(contract=SHARE)).then[0].trail_amount == D("0.01")


def test_a_break_even_and_an_exit_have_the_ticks_of_their_own_price() -> None:
    held = snapshot(10, contract=SHARE, average_cost=D("0.45678"), quote=quote("0.6", "0.61"))
    stop = planned(message("breakeven", order=shape("stop")), held)
    assert stop.stop_price == D("0.4568")
    out = planned(message("exit", order=shape("limit", limit="0.61239")), held)
    assert out.limit_price == D("0.6124")


def test_a_pair_in_yen_has_the_ticks_of_the_yen() -> None:
    asked = message(
        "buy",
        100_000,
        symbol=symbols.read("USDJPY", symbols.Kind.FOREX, NOW),
        order=shape("limit", limit="154.0034"),
        stop_loss=bracket("percent", 1),
    )
    order = planned(asked, snapshot(contract=USDJPY))
    assert (order.limit_price, order.then[0].stop_price) == (D(154), D("152.46"))


def test_a_contract_without_bands_keeps_its_one_tick() -> None:
    plain = Contract(instrument=Instrument(ticker="AAPL"), conid=5)
    assert [plain.tick_at(D(price)) for price in ("0.5", "5")] == [D("0.01")] * 2
