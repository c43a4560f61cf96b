"""What no table knows is refused with its name; nothing is guessed and nothing crashes."""

import copy
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from brokers.rulebook import allocation, rulesets
from brokers.rulebook.answers import Accepted
from brokers.rulebook.assess import assess
from brokers.rulebook.calendars import calendar, exchange_calendar
from brokers.rulebook.capabilities import default_market, leverage, model_for
from brokers.rulebook.errors import (
    BadInput,
    MissingMarginData,
    MissingRate,
    NoTradingDay,
    RulebookError,
    UnknownCalendar,
    UnknownOperation,
    UnknownRuleset,
    UnknownWord,
    UnsupportedAssetClass,
    UnsupportedCurrency,
    UnsupportedMarket,
    UnsupportedOrderType,
    UnsupportedTimeInForce,
)
from brokers.rulebook.evaluate import OPERATIONS, evaluate
from brokers.rulebook.fees import estimate_fee
from brokers.rulebook.gate.tif import expires_at
from brokers.rulebook.gate.validation import validate
from brokers.rulebook.margin import buying_power
from brokers.rulebook.margin.futures import future_option_margin, margin_rows
from brokers.rulebook.margin.options import option_initial_margin
from brokers.rulebook.pricing import own_price
from brokers.rulebook.splits import split_option, split_order
from brokers.rulebook.values import Account, Instrument, Order, Position, Quote
from brokers.rulebook.vectors.hooks import margin_interest, slippage
from brokers.rulebook.vectors.rounding import round_price, round_quantity
from brokers.rulebook.vectors.wire import order_type_field, security_type_field, status_from, time_in_force_field

D = Decimal
NOON = datetime(2025, 7, 15, 16, tzinfo=UTC)
TEN = Quote(price=D(10), bid=D(10), ask=D(10))
MARKET = Order(type="market", quantity=D(1))
RICH = Account(total_value=D(1_000_000))
JUNK: tuple[Any, ...] = (
    None,
    "nonsense",
    -1,
    0,
    "1E+400",
    "1E-400",
    "1E+999999",
    [],
    {},
    "NaN",
    "9999-12-31T23:59:59Z",
)
FILE = Path(__file__).parent / "data" / "brokerage_vectors.jsonl"
VECTORS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def refused(kind: type[RulebookError], name: str) -> Any:
    return pytest.raises(kind, match=name)


def test_it_refuses_an_unknown_asset_class_by_name() -> None:
    crypto = Instrument(asset_class="crypto")
    with refused(UnsupportedAssetClass, "crypto"):
        estimate_fee(crypto, MARKET, TEN)
    with refused(UnsupportedAssetClass, "crypto"):
        buying_power(crypto, MARKET, TEN, RICH)
    for question in (
        lambda: model_for("fill", "crypto"),
        lambda: default_market("crypto"),
        lambda: leverage("crypto", "margin"),
        lambda: slippage("crypto"),
        lambda: margin_interest("crypto", D(1), 1),
        lambda: security_type_field("crypto"),
    ):
        with refused(UnsupportedAssetClass, "crypto"):
            question()
    denied = validate(crypto, MARKET)
    assert not denied.allowed
    assert (denied.reason, denied.data["asset_class"]) == ("asset_class_not_supported", "crypto")


def test_it_refuses_an_unknown_order_type_by_name() -> None:
    iceberg = Order(type="iceberg", quantity=D(1))
    with refused(UnsupportedOrderType, "iceberg"):
        estimate_fee(Instrument(asset_class="equity"), iceberg, TEN)
    with refused(UnsupportedOrderType, "iceberg"):
        order_type_field("iceberg")
    denied = validate(Instrument(asset_class="equity"), iceberg)
    assert not denied.allowed
    assert denied.reason == "order_type_not_supported"
    assert "iceberg" in denied.sentence


def test_it_refuses_an_unknown_time_in_force_by_name() -> None:
    with refused(UnsupportedTimeInForce, "fok"):
        expires_at("equity", "fok", NOON, calendar("us_equity"))
    with refused(UnsupportedTimeInForce, "fok"):
        time_in_force_field("limit", "fok")
    denied = validate(Instrument(asset_class="equity"), Order(type="market", quantity=D(1), time_in_force="fok"))
    assert not denied.allowed
    assert denied.reason == "time_in_force_not_supported"


def test_it_refuses_an_unknown_calendar_by_name() -> None:
    with refused(UnknownCalendar, "moon"):
        calendar("moon")
    with refused(UnknownCalendar, "Equity-moon"):
        exchange_calendar("us_equity", "Equity-moon")


def test_it_refuses_a_calendar_that_never_opens() -> None:
    closed = calendar("us_equity").with_days(holidays=frozenset(date.fromordinal(i) for i in range(739_000, 740_500)))
    with refused(NoTradingDay, "us_equity"):
        closed.close_after(NOON)
    with refused(NoTradingDay, "us_equity"):
        closed.close_on_or_after(NOON.date())


def test_it_refuses_an_unknown_ruleset_by_name() -> None:
    with refused(UnknownRuleset, "mine"):
        rulesets.load("mine")


def test_it_refuses_an_unknown_operation_by_name() -> None:
    with refused(UnknownOperation, "guess"):
        evaluate("guess", {}, "lean")


def test_it_refuses_an_unknown_market_currency_and_plan_by_name() -> None:
    with refused(UnsupportedMarket, "canada"):
        estimate_fee(Instrument(asset_class="equity", market="canada"), MARKET, TEN)
    with refused(UnsupportedMarket, "moon"):
        estimate_fee(Instrument(asset_class="future", market="moon", product="ES"), MARKET, TEN)
    with refused(UnsupportedCurrency, "EUR"):
        estimate_fee(Instrument(asset_class="future", market="hkfe", product="X", currency="EUR"), MARKET, TEN)
    with refused(UnknownWord, "gold"):
        estimate_fee(Instrument(asset_class="equity"), MARKET, TEN, plan="gold")


def test_it_names_a_future_without_margin_data_and_denies_nothing() -> None:
    with refused(MissingMarginData, "future_margins"):
        margin_rows("ZZ")
    zz = Instrument(asset_class="future", product="ZZ", market="cme", multiplier=D(50))
    for quantity in (D(1), D(-1), D(1_000)):
        assessment = assess(zz, Order(type="market", quantity=quantity), TEN, RICH, NOON)
        assert isinstance(assessment.verdict, Accepted)
        assert [caution.sentence for caution in assessment.verdict.cautions] == [
            "No margin of ZZ is on record here, so IBKR decides when the order arrives."
        ]
        assert (assessment.fee is None, assessment.power) == (False, None)


def test_it_never_blocks_the_way_out_of_a_future_without_margin_data() -> None:
    assessment = assess(
        Instrument(asset_class="future", product="ZZ", multiplier=D(50)),
        Order(type="market", quantity=D(-1)),
        TEN,
        RICH,
        NOON,
        position=Position(quantity=D(2), average_price=D(9)),
    )
    assert assessment.allowed


def test_it_denies_an_order_that_no_fee_schedule_covers() -> None:
    assessment = assess(Instrument(asset_class="equity", market="canada"), MARKET, TEN, RICH, NOON)
    assert not assessment.verdict.allowed
    assert assessment.verdict.reason == "no_fee_schedule"
    assert "canada" in assessment.verdict.sentence


def test_it_refuses_prices_lots_and_factors_that_make_no_sense() -> None:
    with refused(BadInput, "tick"):
        round_price(D(1), D(0))
    with refused(BadInput, "lot_size"):
        round_quantity(D(1), D(-1))
    with refused(BadInput, "split_factor"):
        split_order(MARKET, D(0))
    with refused(BadInput, "split_factor"):
        split_option(D(50), D(100), new=0, old=1)
    with refused(BadInput, "limit_price"):
        own_price(Order(type="limit", quantity=D(1)))
    with refused(BadInput, "right"):
        option_initial_margin(Instrument(asset_class="option"), D(-1), D(10), D(1))
    with refused(UnknownWord, "long_swap"):
        future_option_margin(side="long", right="swap", strike=D(1), underlying_price=D(1), underlying_requirement=D(1))


def test_it_refuses_unknown_words_of_other_tables() -> None:
    with refused(UnknownWord, "Lottery"):
        allocation.method("Lottery")
    with refused(UnknownWord, "Confused"):
        status_from("Confused")
    with refused(UnknownWord, "gift"):
        leverage("equity", "gift")
    with refused(UnknownWord, "flavor"):
        model_for("flavor", "equity")


def test_it_says_code_name_and_sentence_in_a_refusal() -> None:
    answer = evaluate("fee", {"asset_class": "equity", "market": "moon", "order": {"type": "market", "quantity": "1"}})
    assert (answer["error"], answer["name"], answer["allowed"]) == ("unsupported_market", "moon", False)
    assert "moon" in answer["sentence"]


def test_it_refuses_a_missing_rate_by_its_currency() -> None:
    fields = {
        "account_currency": "USD",
        "cash": {"USD": "1"},
        "instrument": {"asset_class": "equity"},
        "fills": [{"quantity": "1", "price": "1", "fee": {"amount": "1", "currency": "EUR"}}],
    }
    answer = evaluate("apply_fills", fields, "lean")
    assert (answer["error"], answer["name"]) == (MissingRate.code, "EUR")


@pytest.mark.parametrize("vector", VECTORS[::9], ids=lambda vector: str(vector["id"]))
def test_it_answers_or_refuses_when_one_word_is_missing_or_nonsense(vector: dict[str, Any]) -> None:
    for path in _paths(vector["given"]):
        for junk in JUNK:
            broken = copy.deepcopy(vector["given"])
            _set(broken, path, junk)
            answer = evaluate(vector["op"], broken, vector["ruleset"])
            assert isinstance(answer, dict)


@pytest.mark.parametrize("question", [None, "", "fee", 0, -1, True, [], [["asset_class", "equity"]]])
def test_it_refuses_a_question_that_is_no_object(question: Any) -> None:
    for op in OPERATIONS:
        answer = evaluate(op, question, "seed")
        assert (answer["error"], answer["name"]) == ("bad_input", "given")


def test_it_refuses_operations_and_rulesets_that_are_no_words() -> None:
    nonsense: Any = []
    with refused(UnknownOperation, "named"):
        evaluate(nonsense, {}, "seed")
    with refused(UnknownRuleset, "named"):
        evaluate("fee", {}, nonsense)


@pytest.mark.parametrize("number", ["1E+101", "-1E+999999999999", "1E-999999", "1" * 101, "0." + "1" * 101])
def test_it_refuses_numbers_out_of_all_proportion(number: Any) -> None:
    asked = {"asset_class": "equity", "balance": "1", "days": number}
    answer = evaluate("margin_interest", asked, "seed")
    assert (answer["error"], answer["name"]) == ("bad_input", "days")
    assert len(answer["sentence"]) < 120
    assert evaluate("margin_interest", {**asked, "days": 10**5000}, "seed")["error"] == "bad_input"
    assert evaluate("combo_legs_valid", {"leg_ratios": [number]}, "seed")["error"] == "bad_input"


@settings(max_examples=200, deadline=None)
@hypothesis_given(
    st.sampled_from(sorted({vector["op"] for vector in VECTORS})),
    st.dictionaries(
        st.sampled_from(["asset_class", "order", "price", "quantity", "calendar", "market", "accounts", "steps"]),
        st.one_of(st.none(), st.text(max_size=5), st.integers(), st.lists(st.integers(), max_size=2)),
    ),
)
def test_it_never_crashes_on_arbitrary_questions(op: str, question: dict[str, Any]) -> None:
    assert "ruleset" in evaluate(op, question, "seed")


def _paths(question: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    paths: list[tuple[Any, ...]] = []
    items = question.items() if isinstance(question, dict) else enumerate(question[:1])
    for key, value in items:
        paths.append((*at, key))
        if isinstance(value, dict | list):
            paths += _paths(value, (*at, key))
    return paths


def _set(question: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        question = question[key]
    question[path[-1]] = value
