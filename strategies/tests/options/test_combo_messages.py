"""What a message with legs means, and what of it is refused before anything is decided."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings

from strategies.display.readings import pairs
from strategies.domain.message.message import Action, Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading.contract import read

NOW = datetime(2026, 11, 30, 15, tzinfo=UTC)
LOW, HIGH, LATER = "SPY 261218C640", "SPY 261218C650", "SPY 270115C640"
# Of a part more of a third: all that they say is refused.
PARTS = {"ticker": "SPY", "optionType": "call", "expiration": "2026-12-18", "strikePrice": 650}


def leg(ticker: str, side: str, **values: Any) -> dict[str, Any]:
    return {"ticker": ticker, "side": side, **values}


def message(*legs: Any, kind: Kind = Kind.OPTION, tickers: tuple[str, ...] = (), **values: Any) -> Message:
    sent = {"ticker": "SPY", "action": "buy", "quantity": 1, "legs": list(legs), **values}
    return read(sent, kind=kind, allowed_tickers=tickers, now=NOW)[0]


@pytest.mark.parametrize(
    ("legs", "action", "limit", "means"),
    [
        ((leg(LOW, "buy"), leg(HIGH, "sell")), "buy", Decimal("3.2"), ("SPY 261218C640/650", "buy", "3.2")),
        ((leg(HIGH, "sell"), leg(LOW, "buy")), "buy", "3.2", ("SPY 261218C640/650", "buy", "3.2")),
        ((leg(LOW, "sell"), leg(HIGH, "buy")), "buy", Decimal("-3.2"), ("SPY 261218C640/650", "sell", "3.2")),
        ((leg(LOW, "buy"), leg(HIGH, "sell")), "sell", Decimal("3.2"), ("SPY 261218C640/650", "sell", "3.2")),
        ((leg(LOW, "sell"), leg(HIGH, "buy")), "sell", Decimal("-3.2"), ("SPY 261218C640/650", "buy", "3.2")),
        ((leg(LOW, "sell"), leg(HIGH, "buy")), "exit", -1, ("SPY 261218C640/650", "exit", "1")),
        ((leg(LATER, "buy"), leg(LOW, "sell")), "buy", 12, ("SPY 270115/261218C640", "buy", "12")),
        ((leg(LOW, "buy"), PARTS | {"side": "sell"}), "buy", Decimal("3.2"), ("SPY 261218C640/650", "buy", "3.2")),
        (
            (leg(LOW, "buy", ratio=1), leg(HIGH, "sell", ratio="1")),
            "buy",
            Decimal("3.2"),
            ("SPY 261218C640/650", "buy", "3.2"),
        ),
    ],
)
def test_the_legs_mean_one_combo_whichever_way_they_are_written(
    legs: tuple[Any, ...], action: str, limit: object, means: tuple[str, str, str]
) -> None:
    read_as = message(*legs, action=action, orderType="limit", limitPrice=limit)
    assert (read_as.symbol.name, str(read_as.action), read_as.order.limit) == (*means[:2], Decimal(means[2]))
    assert Message.from_reading(read_as.reading()) == read_as
    assert read_as.symbol.names >= {"SPY"}


def test_a_price_of_the_chart_is_no_price_of_the_combo() -> None:
    sent = {"ticker": "SPY", "action": "buy", "legs": [leg(LOW, "buy"), leg(HIGH, "sell")], "price": "640.1"}
    read_as, warnings = read(sent, kind=Kind.OPTION, allowed_tickers=(), now=NOW)
    assert read_as.signal_price is None
    assert warnings == ("price-beside-legs:price",)


def test_its_reading_is_named_as_people_do() -> None:
    shown = dict(pairs(message(leg(LOW, "buy"), leg(HIGH, "sell")).reading()))
    assert shown["Instrument"] == "SPY 18 Dec 2026 640/650 call spread, option"


TWO = (leg(LOW, "buy"), leg(HIGH, "sell"))
REFUSED: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((leg(LOW, "buy"), leg("QQQ 261218C650", "sell")), {}, "legs-of-two-underlyings"),
    ((leg("ESZ2026 261218C6400", "buy"), leg("ESZ2026 261218C6450", "sell")), {"ticker": "ESZ2026"}, "invalid-legs"),
    ((leg("ES1! 261218C6400", "buy"), leg("ES1! 261218C6450", "sell")), {"ticker": "ES1!"}, "invalid-legs"),
    ((leg(LOW, "buy"), leg(LOW, "sell")), {}, "legs-are-equal"),
    ((leg(LOW, "buy"), leg("SPY 261218P650", "sell")), {}, "legs-make-no-combo"),
    ((leg(LOW, "buy"), leg("SPY 270115C650", "sell")), {}, "legs-make-no-combo"),
    ((leg(LOW, "buy"), leg(HIGH, "buy")), {}, "legs-on-one-side"),
    ((leg(LOW, "buy"), leg(HIGH, "sell", ratio=2)), {}, "leg-ratio"),
    ((leg(LOW, "buy"), leg(HIGH, "sell", ratio="x")), {}, "leg-ratio"),
    ((*TWO, leg(LATER, "buy")), {}, "invalid-legs"),
    ((leg(LOW, "buy"),), {}, "invalid-legs"),
    ((1, "x"), {}, "invalid-legs"),
    ((leg(LOW, "buy"), leg("SPY", "sell")), {}, "invalid-legs"),
    ((leg(LOW, "buy"), leg("SPY ???", "sell")), {}, "ticker-does-not-exist"),
    ((leg(LOW, "buy"), leg("{{ticker}}", "sell")), {}, "unexpanded-placeholder"),
    ((leg(LOW, "buy"), leg("SPY 261118C650", "sell")), {}, "contract-expired"),
    ((leg(LOW, "buy"), leg(HIGH, "sideways")), {}, "invalid-legs"),
    ((leg(LOW, "buy"), leg(HIGH, "sell", limitPrice=1)), {}, "not-with-legs"),
    ((leg(LOW, "buy"), leg(HIGH, "sell", delta=1)), {}, "invalid-legs"),
    ((leg(LOW, "buy"), PARTS | {"side": "sell", "expiration": "+1 week"}), {}, "invalid-legs"),
    ((leg(LOW, "buy"), PARTS | {"side": "sell", "strikePrice": -1}), {}, "invalid-legs"),
    ((leg(LOW, "buy"), {"ticker": "SPY", "side": "sell", "optionType": "call"}), {}, "invalid-legs"),
    (TWO, {"ticker": "QQQ"}, "legs-of-another-ticker"),
    (TWO, {"action": "add"}, "invalid-combo-action"),
    (TWO, {"action": "exit", "ticker": "QQQ"}, "legs-of-another-ticker"),
    (TWO, {"action": "modify", "stopPrice": 2}, "not-with-legs"),
    (TWO, {"action": "modify", "takeProfit": {"percent": 5}}, "not-with-legs"),
    (TWO, {"action": "modify", "quantity": 2, "timeInForce": "day"}, "invalid-modify"),
    (TWO, {"timeInForce": "gtd"}, "invalid-good-till-date"),
    (TWO, {"goodTillDate": "2026-11-29"}, "good-till-date-passed"),
    (TWO, {"action": "modify", "limitPrice": 0}, "invalid-limit-price"),
    (TWO, {"action": "modify", "quantity": None}, "nothing-to-change"),
    (TWO, {"action": "breakeven"}, "invalid-combo-action"),
    (TWO, {"stopLoss": {"percent": 5}}, "not-with-legs"),
    (TWO, {"takeProfit": {"percent": 5}}, "not-with-legs"),
    (TWO, {"optionType": "call"}, "not-with-legs"),
    (TWO, {"sentiment": "bullish"}, "not-with-legs"),
    (TWO, {"targetQuantity": 1}, "not-with-legs"),
    (TWO, {"extendedHours": True}, "not-with-legs"),
    (TWO, {"orderType": "stop", "stopPrice": 3}, "not-with-legs"),
    (TWO, {"orderType": "midprice"}, "not-with-legs"),
    (TWO, {"timeInForce": "opg"}, "not-with-legs"),
    (TWO, {"timeInForce": "ioc"}, "not-with-legs"),
    (TWO, {"takeProfit": [{"limitPrice": 4}, {"limitPrice": 5}]}, "not-with-legs"),
    (TWO, {"quantityType": "dollar_amount"}, "not-with-legs"),
    (TWO, {"quantityType": "notional_dollar_amount"}, "not-with-legs"),
    (TWO, {"quantityType": "risk_dollar_amount"}, "not-with-legs"),
    (TWO, {"quantityType": "risk_percent"}, "not-with-legs"),
    (TWO, {"quantityType": "percent_of_equity"}, "not-with-legs"),
    (TWO, {"orderType": "limit", "limitPrice": "-3.2"}, "invalid-limit-price"),
    (TWO, {"orderType": "limit", "limitPrice": 0}, "invalid-limit-price"),
    (TWO, {"orderType": "limit", "limitPrice": 10}, "invalid-limit-price"),
    (TWO, {"orderType": "limit", "limitPrice": "NaN"}, "invalid-limit-price"),
    ((leg(LOW, "sell"), leg(HIGH, "buy")), {"orderType": "limit", "limitPrice": "3.2"}, "invalid-limit-price"),
]


@pytest.mark.parametrize(("legs", "values", "code"), REFUSED)
def test_what_is_no_vertical_and_no_calendar_is_refused_in_a_sentence(
    legs: tuple[Any, ...], values: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        message(*legs, **values)
    assert refused.value.code == code
    assert refused.value.message.endswith((".", '"}].'))
    assert refused.value.field


@pytest.mark.parametrize("action", ["exit", "cancel"])
@pytest.mark.parametrize(
    "values",
    [
        {"stopLoss": {"percent": 5}},
        {"takeProfit": {"percent": 5}},
        {"extendedHours": True},
        {"timeInForce": "ioc"},
        {"optionType": "call"},
        {"marketPosition": "flat"},
        {"sentiment": "flat"},
    ],
)
def test_a_way_out_is_not_refused_for_what_does_not_go_with_legs(action: str, values: dict[str, Any]) -> None:
    sent = {"ticker": "SPY", "action": action, "legs": list(TWO), **values}
    read_as, warnings = read(sent, kind=Kind.OPTION, allowed_tickers=(), now=NOW)
    assert (str(read_as.action), read_as.symbol.name) == (action, "SPY 261218C640/650")
    assert {f"not-with-legs:{name}" for name in values} <= set(warnings)


@pytest.mark.parametrize("action", ["buy", "exit", "modify"])
def test_it_may_be_good_till_a_date_which_halyard_ends(action: str) -> None:
    read_as = message(*TWO, action=action, orderType=None, limitPrice="3.2", goodTillDate="2026-12-04T15:30:00Z")
    assert read_as.order.good_till == "2026-12-04T15:30:00Z"


WAITS: list[dict[str, Any]] = [
    {"orderType": "stop", "stopPrice": 3},
    {"stopPrice": 3},
    {"orderType": "limit_if_touched"},
    {"orderType": "trailing_stop", "trailAmount": 1},
]


@pytest.mark.parametrize("values", WAITS)
def test_an_exit_that_waits_for_a_price_does_not_leave_at_once(values: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        message(*TWO, action="exit", **values)
    assert refused.value.code == "not-with-legs"
    assert message(*TWO, action="cancel", **values).action is Action.CANCEL


@pytest.mark.parametrize(("first", "second"), [("buy", "sell"), ("sell", "buy")])
@pytest.mark.parametrize("limit", ["3.2", "-3.2", "12"])
def test_a_limit_that_closes_has_a_size_and_no_sign(first: str, second: str, limit: str) -> None:
    read_as = message(leg(LOW, first), leg(HIGH, second), action="exit", orderType="limit", limitPrice=limit)
    assert read_as.order.limit == abs(Decimal(limit))


@pytest.mark.parametrize(
    ("legs", "limit", "means"),
    [
        # As they were written where they opened it, bought or for a credit; and the other way round.
        (TWO, "3.1", "3.1"),
        ((leg(LOW, "sell"), leg(HIGH, "buy")), "-2.8", "2.8"),
        (TWO, "-2.8", "2.8"),
        ((leg(LOW, "sell"), leg(HIGH, "buy")), "2.8", "2.8"),
    ],
)
def test_what_works_of_a_combo_gets_another_limit(legs: tuple[Any, ...], limit: str, means: str) -> None:
    sent = {"ticker": "SPY", "action": "modify", "legs": list(legs), "limitPrice": limit}
    read_as, warnings = read(sent, kind=Kind.OPTION, allowed_tickers=(), now=NOW)
    assert (read_as.action, read_as.symbol.name) == (Action.MODIFY, "SPY 261218C640/650")
    assert read_as.order.limit == Decimal(means)
    turned = legs is not TWO
    assert warnings == (("sign-beside-legs:limitPrice",) if (limit.startswith("-")) is not turned else ())


def test_an_exit_of_which_a_leg_has_ended_says_what_closes_the_other() -> None:
    over = leg("SPY 261113C640", "sell")
    with pytest.raises(Refused) as refused:
        message(leg(LATER, "buy"), over, action="exit")
    assert refused.value.code == "contract-expired"
    assert refused.value.message.endswith(
        'What is left is closed by its own name: send {"ticker": "SPY 270115C640", "action": "exit"}.'
    )
    assert refused.value.message.startswith("legs[1]: SPY 261113C640 expired")
    # Both are over, or it opens something: no more than that.
    for legs, action in (((over, leg("SPY 261113C650", "buy")), "exit"), ((leg(LATER, "buy"), over), "buy")):
        with pytest.raises(Refused) as refused:
            message(*legs, action=action)
        assert refused.value.message.endswith("Name a contract that trades now.")


@pytest.mark.parametrize("kind", [Kind.STOCK, Kind.FUTURE, Kind.FUTURE_OPTION, Kind.FOREX, Kind.CFD])
def test_a_strategy_of_another_class_takes_no_legs(kind: Kind) -> None:
    with pytest.raises(Refused) as refused:
        message(*TWO, kind=kind)
    assert refused.value.code == "invalid-asset-class"


def test_legs_that_are_no_list_are_refused() -> None:
    for legs in ("x", 1, {"a": 1}, True):
        with pytest.raises(Refused) as refused:
            read({"ticker": "SPY", "action": "buy", "legs": legs}, kind=Kind.OPTION, allowed_tickers=(), now=NOW)
        assert refused.value.code == "invalid-legs"


def examples() -> Iterator[dict[str, Any]]:
    """The messages that the page about signals shows of combos, several in a block."""
    page = (settings.BASE_DIR / "docs" / "signals.md").read_text()
    for block in re.findall(
        r"```\n(.*?)```", page.partition("\n## Two options as one\n")[2].partition("\n## ")[0], re.DOTALL
    ):
        rest = block.strip()
        while rest:
            sent, end = json.JSONDecoder(parse_float=Decimal).raw_decode(rest)
            yield sent
            rest = rest[end:].strip()


def test_the_examples_of_the_page_are_read_as_it_says() -> None:
    taken = [read(sent, kind=Kind.OPTION, allowed_tickers=(), now=NOW) for sent in examples()]
    assert not any(warnings for _, warnings in taken)
    assert [(str(one.action), one.symbol.name, one.order.limit) for one, _ in taken] == [
        ("buy", "SPY 261218C640/650", Decimal("3.2")),
        ("sell", "SPY 261218C640/650", Decimal("3.2")),
        ("buy", "SPY 270115/261218C640", None),
        ("exit", "SPY 270115/261218C640", None),
    ]


def test_a_list_of_tickers_holds_for_combos() -> None:
    assert message(*TWO, tickers=("SPY",)).action is Action.BUY
    with pytest.raises(Refused) as refused:
        message(*TWO, tickers=("QQQ",))
    assert refused.value.code == "unsupported-ticker"
