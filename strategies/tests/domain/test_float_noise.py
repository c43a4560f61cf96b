"""Numbers as senders' floats print them: the order has the price and the quantity that were meant, on both sides."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.orders import AssetClass, Contract, Instrument, OrderIntent
from brokers.domain.snapshot import Snapshot
from strategies.domain.decide.decide import decide
from strategies.domain.message import symbols
from strategies.domain.message.formulas import evaluate
from strategies.domain.message.message import Action, Message
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.terms import Rounding, Terms
from strategies.reading import fields
from strategies.reading.parse import parse
from strategies.tests.domain.cases_of_decide import NOW, bracket, message, shape, snapshot

D = Decimal
MGC = Contract(
    instrument=Instrument(ticker="MGCZ2026", asset_class=AssetClass.FUTURE),
    conid=9,
    exchange="COMEX",
    multiplier=D(10),
    tick=D("0.1"),
)
GOLD = symbols.read("MGCZ2026", symbols.Kind.FUTURE, NOW)
FLOATS = [("1194.6000000000001", "1194.6"), ("1194.5999999999999", "1194.6"), ("4090.2000000000003", "4090.2")]


def planned(asked: Message, book: Snapshot, terms: Terms | None = None) -> OrderIntent:
    answer = decide(asked, terms or Terms(), book, NOW)
    assert isinstance(answer, Plan), answer
    return answer.intents[0]


def gold(action: str, quantity: str | int | None = 1, **values: Any) -> Message:
    return message(action, quantity, symbol=GOLD, **values)


@pytest.mark.parametrize("action", ["buy", "sell"])
@pytest.mark.parametrize(("noisy", "exact"), FLOATS)
def test_an_entry_has_the_price_that_was_meant(action: str, noisy: str, exact: str) -> None:
    limit = gold(action, order=shape("limit", limit=noisy))
    assert planned(limit, snapshot(contract=MGC)).limit_price == D(exact)
    stop = gold(action, order=shape("stop", stop=noisy))
    assert planned(stop, snapshot(contract=MGC)).stop_price == D(exact)


@pytest.mark.parametrize(("noisy", "exact"), FLOATS)
def test_legs_have_the_prices_that_were_meant(noisy: str, exact: str) -> None:
    for action, price in (("buy", D(5000)), ("sell", D(1000))):
        asked = gold(action, signal_price=price, stop_loss=bracket("stopPrice", noisy))
        assert planned(asked, snapshot(contract=MGC)).then[0].stop_price == D(exact), action


def test_distances_are_measured_without_noise() -> None:
    asked = gold(
        "buy",
        signal_price=D("1194.6000000000001"),
        stop_loss=bracket("amount", "0.30000000000000004"),
        take_profit=bracket("percent", "9.999999999999998"),
    )
    stop, profit = planned(asked, snapshot(contract=MGC)).then
    assert (stop.stop_price, profit.limit_price) == (D("1194.3"), D("1314.1"))
    trail = gold("buy", stop_loss=bracket("trailAmount", "0.30000000000000004", "trailing_stop"))
    assert planned(trail, snapshot(contract=MGC)).then[0].trail_amount == D("0.3")


@pytest.mark.parametrize(
    ("quantity", "terms", "expected"),
    [
        ("2.9999999999999996", {}, 3),
        ("3.0000000000000004", {}, 3),
        ("0.1", {"quantity_multiplier": D("29.999999999999996")}, 3),
        ("1.4999999999999998", {"rounding": Rounding.NEAREST}, 2),
        ("2.999", {}, 2),
    ],
)
def test_a_quantity_is_the_one_that_was_meant(quantity: str, terms: dict[str, Any], expected: int) -> None:
    for action in ("buy", "sell"):
        assert planned(gold(action, quantity), snapshot(contract=MGC), Terms(**terms)).quantity == expected


def test_an_exit_leaves_as_many_as_were_meant() -> None:
    part = gold("exit", "2.9999999999999996")
    assert planned(part, snapshot(5, contract=MGC)).quantity == 3
    percent = gold("exit", "29.999999999999996", quantity_type="percent_of_position")
    assert planned(percent, snapshot(10, contract=MGC)).quantity == 3
    target = gold("buy", None, target_quantity=D("2.9999999999999996"))
    assert planned(target, snapshot(contract=MGC)).quantity == 3


def test_formulas_and_whole_numbers_are_read_without_noise() -> None:
    values = {"quantity": D("2.9999999999999996"), "price": D("1.0050000000000001")}
    assert evaluate("floor(signal.quantity)", "quantity", values, fields.number) == 3
    assert evaluate("ceil(signal.quantity * 2)", "quantity", values, fields.number) == 6
    assert evaluate('round(signal.price, 3, "up")', "price", values, fields.number) == D("1.005")
    assert fields.whole("cancelAfter", D("300.00000000000006"), "invalid", 1, 999) == 300
    body = b'{"ticker": "SPY", "action": "buy", "targetQuantity": -2.9999999999999996}'
    read = parse(body, kind=symbols.Kind.STOCK, now=NOW).message
    assert read is not None
    assert (read.action, read.target_quantity) == (Action.BUY, D(-3))
