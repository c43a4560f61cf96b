"""The gate as the product asks it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.rulebook import rulesets
from brokers.rulebook.answers import Accepted, Denied, Verdict
from brokers.rulebook.calendars import calendar
from brokers.rulebook.gate.validation import build_question, every_denial, validate
from brokers.rulebook.reasons import SENTENCES
from brokers.rulebook.values import Instrument, Order, Position, Quote
from brokers.rulebook.vectors.updates import OrderUpdate, validate_update

D = Decimal
NYSE = calendar("us_equity")
FOREX = calendar("forex")
LEAN = rulesets.load("lean")
SEED = rulesets.load("seed")
STOCK = Instrument(asset_class="equity", symbol="SPY", lot_size=D(1))
OPTION = Instrument(asset_class="option", symbol="SPY", multiplier=D(100), right="call", strike=D(400))
EURUSD = Instrument(asset_class="forex", symbol="EURUSD", base_currency="EUR")
NOON = datetime(2025, 7, 15, 16, tzinfo=UTC)
NIGHT = datetime(2025, 7, 16, 3, tzinfo=UTC)
SATURDAY = datetime(2025, 7, 19, 16, tzinfo=UTC)


def order(kind: str = "market", quantity: Any = 1, **rest: Any) -> Order:
    return Order(type=kind, quantity=D(quantity), **rest)


def reason(verdict: Verdict) -> str | None:
    return verdict.reason if isinstance(verdict, Denied) else None


def cautions(verdict: Verdict) -> list[str]:
    assert isinstance(verdict, Accepted)
    return [caution.code for caution in verdict.cautions]


def test_it_accepts_a_market_order_in_the_regular_session() -> None:
    verdict = validate(STOCK, order(), NOON, NYSE)
    assert verdict == Accepted(SEED.provenance)
    assert verdict.allowed
    assert verdict.provenance.ruleset == "seed"


def test_it_denies_a_market_order_outside_trading_hours() -> None:
    verdict = validate(EURUSD, order(quantity=25_000), SATURDAY, FOREX)
    assert reason(verdict) == "order_type_not_supported_for_asset_class"
    assert isinstance(verdict, Denied)
    assert verdict.sentence == "IBKR takes no market on open order for forex. Choose another order type."


def test_it_warns_that_a_market_order_waits_for_the_open() -> None:
    assert cautions(validate(STOCK, order(), NIGHT, NYSE)) == ["market_becomes_market_on_open"]


def test_it_keeps_a_market_order_for_futures_at_night() -> None:
    es = Instrument(asset_class="future", product="ES")
    assert cautions(validate(es, order(), NIGHT, calendar("cme_es"))) == []


@pytest.mark.parametrize(("quantity", "expected"), [("100.5", "100"), ("-7.9", "-7")])
def test_it_denies_fractions_and_suggests_whole_units(quantity: str, expected: str) -> None:
    verdict = validate(STOCK, order(quantity=quantity), NOON, NYSE)
    assert isinstance(verdict, Denied)
    assert verdict.reason == "fractional_quantity_not_supported"
    assert verdict.data["suggested"] == D(expected)
    assert f"Order {expected} instead" in verdict.sentence


def test_it_warns_about_a_cut_fraction_where_the_rules_cut_it() -> None:
    assert cautions(validate(STOCK, order(quantity="100.5"), NOON, NYSE, rules=LEAN)) == ["quantity_truncated"]


def test_it_denies_a_past_good_til_date_and_takes_today() -> None:
    past = order("limit", limit_price=D(1), time_in_force="gtd", good_til_date=date(2025, 7, 14))
    today = order("limit", limit_price=D(1), time_in_force="gtd", good_til_date=date(2025, 7, 15))
    assert reason(validate(STOCK, past, NOON, NYSE)) == "good_til_date_in_past"
    assert reason(validate(STOCK, today, NOON, NYSE)) is None


def test_it_reads_today_in_exchange_time() -> None:
    still_the_15th = order("limit", limit_price=D(1), time_in_force="gtd", good_til_date=date(2025, 7, 15))
    assert reason(validate(STOCK, still_the_15th, NIGHT, NYSE)) is None
    assert reason(validate(STOCK, still_the_15th, NIGHT)) == "good_til_date_in_past"


def test_it_asks_for_the_date_of_a_good_til_date_order() -> None:
    dateless = order("limit", limit_price=D(1), time_in_force="gtd")
    assert reason(validate(STOCK, dateless, NOON, NYSE)) == "good_til_date_missing"


def test_it_ignores_the_date_of_an_auction_order() -> None:
    auction = order("market_on_close", time_in_force="gtd", good_til_date=date(2020, 1, 1))
    assert reason(validate(STOCK, auction, NOON, NYSE)) is None


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("limit", "limit_price"),
        ("stop_market", "stop_price"),
        ("limit_if_touched", "trigger_price"),
        ("trailing_stop", "trailing_amount"),
    ],
)
def test_it_asks_for_the_price_an_order_type_needs(kind: str, missing: str) -> None:
    verdict = validate(STOCK, order(kind), NOON, NYSE, quote=Quote(price=D(10)))
    assert isinstance(verdict, Denied)
    assert (verdict.reason, verdict.data["price"]) == ("order_price_missing", missing)


def test_it_denies_without_a_price_or_a_rate() -> None:
    assert reason(validate(STOCK, order(), NOON, NYSE, quote=Quote())) == "no_price"
    assert reason(validate(STOCK, order(), NOON, NYSE, fx_rate=D(0))) == "no_fx_rate"


def test_it_denies_exercising_what_is_not_held_long() -> None:
    kind = order("option_exercise", 5)
    us_option = calendar("us_option")
    assert reason(validate(OPTION, kind, NOON, us_option, position=Position(quantity=D(5)))) is None
    short = validate(OPTION, kind, NOON, us_option, position=Position(quantity=D(-5)))
    assert reason(short) == "only_long_options_exercisable"
    few = validate(OPTION, kind, NOON, us_option, position=Position(quantity=D(4)))
    assert isinstance(few, Denied)
    assert few.sentence == "You hold 4 contracts and asked to exercise 5. Exercise fewer."


def test_it_denies_exercising_while_the_exchange_is_closed() -> None:
    assert reason(validate(OPTION, order("option_exercise"), NIGHT, calendar("us_option"))) == "exchange_not_open"


def test_it_denies_an_option_order_while_the_underlying_splits() -> None:
    verdict = validate(OPTION, order(), NOON, calendar("us_option"), underlying_splits_now=True)
    assert reason(verdict) == "option_order_on_underlying_split"
    assert reason(validate(STOCK, order(), NOON, NYSE, underlying_splits_now=True)) is None


def test_it_denies_a_combo_with_a_common_divisor_or_too_many_priced_legs() -> None:
    combo = order("combo_limit", group_limit_price=D(1))
    verdict = validate(OPTION, combo, NOON, leg_ratios=[D(2), D(-4)])
    assert isinstance(verdict, Denied)
    assert (verdict.reason, verdict.data["gcd"]) == ("combo_ratio_not_reduced", 2)
    legs = [D(1), D(-1), D(1), D(-1)]
    assert reason(validate(OPTION, order("combo_leg_limit"), leg_ratios=legs)) == "combo_leg_limit_max_3_legs"
    assert reason(validate(OPTION, order("combo_leg_limit"), leg_ratios=legs[:3])) is None


def test_it_denies_what_is_not_tradable() -> None:
    assert reason(validate(Instrument(asset_class="equity", tradable=False), order())) == "not_tradable"
    assert reason(validate(Instrument(asset_class="index"), order())) == "asset_class_not_tradable"


def test_it_warns_about_outside_hours_where_ibkr_ignores_it() -> None:
    assert cautions(validate(STOCK, order(outside_regular_hours=True), NOON, NYSE)) == ["outside_rth_ignored"]
    limit = order("limit", limit_price=D(1), outside_regular_hours=True)
    assert cautions(validate(STOCK, limit, NOON, NYSE)) == []


def test_it_labels_the_opening_auction_of_future_options() -> None:
    fop = Instrument(asset_class="future_option", product="ES")
    assert cautions(validate(fop, order("market_on_open"))) == ["experimental_order_type"]


def test_it_downgrades_a_small_currency_order_to_a_warning_where_the_account_chose_so() -> None:
    rules = SEED.with_policy(forex_below_minimum="warn")
    small, huge = order(quantity=100), order(quantity=7_000_000)
    assert reason(validate(EURUSD, small)) == "forex_order_size"
    assert cautions(validate(EURUSD, small, rules=rules)) == ["forex_below_minimum"]
    assert cautions(validate(EURUSD, order(quantity=20_000), rules=rules)) == []
    assert reason(validate(EURUSD, huge, rules=rules)) == "forex_order_size"
    unknown = Instrument(asset_class="forex", symbol="XXXUSD")
    assert reason(validate(unknown, small, rules=rules)) == "forex_order_size"


def test_it_shows_every_denial_at_once() -> None:
    asked = build_question(STOCK, order("limit", 0, time_in_force="fok"), NOON, NYSE, quote=Quote())
    assert [denied.reason for denied in every_denial(asked)] == [
        "quantity_zero",
        "quantity_below_lot_size",
        "time_in_force_not_supported",
        "order_price_missing",
    ]


def test_it_lets_a_tag_of_a_closed_order_change_and_nothing_else() -> None:
    assert reason(validate_update(STOCK, "filled", OrderUpdate(tag="x"))) is None
    assert reason(validate_update(STOCK, "filled", OrderUpdate(tag="x", stop_price=D(1)))) == "order_closed"
    assert reason(validate_update(STOCK, "canceled", OrderUpdate())) == "order_closed"


def test_it_checks_the_new_total_of_a_currency_order() -> None:
    assert reason(validate_update(EURUSD, "submitted", OrderUpdate(quantity=D(19_999)))) == "forex_order_size"
    assert reason(validate_update(EURUSD, "submitted", OrderUpdate(limit_price=D(1)))) is None


def test_it_narrows_the_rules_to_a_connection() -> None:
    fix = rulesets.load("lean_head").over("fix")
    assert reason(validate(STOCK, order("limit_if_touched"), rules=fix)) == "order_type_not_supported"
    assert reason(validate(STOCK, order(time_in_force="gtd"), rules=fix)) == "time_in_force_not_supported"
    assert SEED.over("web") is SEED


def test_every_reason_reads_as_a_sentence() -> None:
    for code, sentence in SENTENCES.items():
        assert sentence[0].isupper() or sentence.startswith("{"), code
        assert sentence.endswith("."), code
        assert "successfully" not in sentence, code


def test_a_ruleset_has_dated_versions() -> None:
    assert rulesets.load("lean", date(2021, 1, 1)).settlement_days == 3
    assert rulesets.load("lean", date(2023, 1, 1)).version == "lean-2022-11-01"
    assert rulesets.load("lean", date(2019, 1, 1)).settlement_days == 3
    assert rulesets.load("lean").settlement_days == 1
    assert rulesets.load("ibkr_current", date(2020, 1, 1)).settlement_days == 2
    assert set(rulesets.names()) == {"lean", "seed", "lean_head", "ibkr_current"}
