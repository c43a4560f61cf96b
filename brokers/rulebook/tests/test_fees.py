"""Fees at the edges of their tables."""

from decimal import Decimal
from typing import Any

import pytest

from brokers.rulebook import rulesets
from brokers.rulebook.accounting import Fee
from brokers.rulebook.errors import UnsupportedAssetClass
from brokers.rulebook.fees import Volume, estimate_fee
from brokers.rulebook.values import Instrument, Order, Quote

D = Decimal
IBKR = rulesets.load("ibkr_current")
STOCK = Instrument(asset_class="equity")
PAIR = Instrument(asset_class="forex", symbol="EURUSD")


def market(quantity: Any) -> Order:
    return Order(type="market", quantity=D(quantity))


def at(price: Any) -> Quote:
    return Quote(price=D(price), bid=D(price), ask=D(price))


@pytest.mark.parametrize(
    ("quantity", "price", "fee"),
    [
        (199, "100", "1"),
        (200, "100", "1"),
        (201, "100", "1.005"),
        (1000, "1", "5"),
        (1000, "0.99", "4.95"),
        (200, "0.01", "0.01"),
        (1, "0.01", "1"),
    ],
)
def test_it_charges_shares_by_the_model(quantity: int, price: str, fee: str) -> None:
    assert estimate_fee(STOCK, market(quantity), at(price)) == Fee(D(fee), "USD")
    assert estimate_fee(STOCK, market(-quantity), at(price)) == Fee(D(fee), "USD")


def test_it_caps_even_the_minimum_where_the_broker_does() -> None:
    assert estimate_fee(STOCK, market(10), at("0.20"), rules=IBKR) == Fee(D("0.02"), "USD")
    assert estimate_fee(STOCK, market(10), at(100), rules=IBKR) == Fee(D(1), "USD")
    assert estimate_fee(STOCK, market(1000), at("0.25"), rules=IBKR) == Fee(D("2.5"), "USD")


@pytest.mark.parametrize(
    ("shares", "fee"),
    [
        (0, "3.5"),
        (300_000, "3.5"),
        (300_001, "2"),
        (3_000_000, "2"),
        (20_000_000, "1.5"),
        (100_000_000, "1"),
        (100_000_001, "0.5"),
    ],
)
def test_it_charges_tiered_shares_by_the_month(shares: int, fee: str) -> None:
    charged = estimate_fee(STOCK, market(1000), at(50), rules=IBKR, plan="tiered", volume=Volume(shares=D(shares)))
    assert charged == Fee(D(fee), "USD")
    small = estimate_fee(STOCK, market(1), at(50), rules=IBKR, plan="tiered", volume=Volume(shares=D(shares)))
    assert small == Fee(D("0.35"), "USD")


def test_it_values_shares_at_the_cautious_side_of_the_limit() -> None:
    buy = Order(type="limit", quantity=D(1000), limit_price=D("0.10"))
    sell = Order(type="limit", quantity=D(-1000), limit_price=D("0.10"))
    assert estimate_fee(STOCK, buy, at("0.20")).amount == D("0.5")
    assert estimate_fee(STOCK, sell, at("0.20")).amount == D("1")


def test_it_counts_the_multiplier_and_the_rate_in_the_value_of_shares() -> None:
    odd = Instrument(asset_class="equity", multiplier=D(2))
    assert estimate_fee(odd, market(1000), at("0.10")).amount == D(1)
    assert estimate_fee(STOCK, market(1000), at("0.10"), fx_rate=D(3)).amount == D("1.5")


def test_it_reads_the_market_of_the_instrument_or_the_default_one() -> None:
    indian = Instrument(asset_class="equity", market="india", currency="INR")
    assert estimate_fee(indian, market(1000), at(100)) == Fee(D(10), "INR")
    nq = Instrument(asset_class="future", product="NQ")
    assert estimate_fee(nq, market(2), at(100)) == Fee(D("4.30"), "USD")


@pytest.mark.parametrize(
    ("price", "each"), [("0.0999", "0.50"), ("0.10", "0.65"), ("0.05", "0.50"), ("0.0499", "0.25"), ("-1", "0.25")]
)
def test_it_charges_options_by_their_premium(price: str, each: str) -> None:
    option = Instrument(asset_class="option")
    combo = Order(type="combo_limit", quantity=D(-100), group_limit_price=D(price))
    assert estimate_fee(option, combo, at(5)) == Fee(D(each) * 100, "USD")


@pytest.mark.parametrize(
    ("contracts", "each"), [(10_000, "0.65"), (10_001, "0.50"), (50_001, "0.25"), (100_001, "0.15")]
)
def test_it_charges_options_by_the_month(contracts: int, each: str) -> None:
    option = Instrument(asset_class="index_option")
    fee = estimate_fee(option, market(100), at(2), volume=Volume(option_contracts=D(contracts)))
    assert fee.amount == D(each) * 100


def test_it_reads_the_far_side_of_an_option_quote() -> None:
    option = Instrument(asset_class="option")
    quote = Quote(price=D("0.07"), bid=D("0.04"), ask=D("0.10"))
    assert estimate_fee(option, market(10), quote).amount == D("2.5")
    assert estimate_fee(option, market(-10), quote).amount == D("6.5")


def test_it_charges_nothing_to_exercise_an_equity_option_anywhere() -> None:
    exercise = Order(type="option_exercise", quantity=D(10))
    assert estimate_fee(Instrument(asset_class="option"), exercise, at(5)) == Fee(D(0), "USD")
    assert estimate_fee(Instrument(asset_class="option", market="india"), exercise, at(5)) == Fee(D(0), "USD")
    es = Instrument(asset_class="future_option", product="ES")
    assert estimate_fee(es, exercise, at(0)).amount == D("14.2")


@pytest.mark.parametrize(
    ("usd", "fee"), [(0, "20"), (10**9, "20"), (10**9 + 1, "15"), (2 * 10**9 + 1, "10"), (5 * 10**9 + 1, "8")]
)
def test_it_charges_currencies_by_the_month(usd: int, fee: str) -> None:
    charged = estimate_fee(PAIR, market(1_000_000), at(1), volume=Volume(forex_usd=D(usd)))
    assert charged == Fee(D(fee), "USD")


def test_it_replicates_the_currency_mix_up_and_corrects_it_for_the_broker() -> None:
    # An account in EUR: the model charges on the value in EUR and calls it USD.
    quirk = estimate_fee(PAIR, market(1_000_000), at("1.25"), fx_rate=D("0.8"), usd_rate=D(1))
    right = estimate_fee(PAIR, market(1_000_000), at("1.25"), rules=IBKR, fx_rate=D("0.8"), usd_rate=D(1))
    assert (quirk.amount, right.amount) == (D(20), D(25))
    cfd = Instrument(asset_class="cfd", currency="EUR")
    assert estimate_fee(cfd, market(10), at(24_000), fx_rate=D(2)).amount == D("9.6")
    assert estimate_fee(cfd, market(10), at(24_000), rules=IBKR, fx_rate=D(2)).amount == D("4.8")


def test_it_charges_cfds_by_kind_where_the_broker_does() -> None:
    index = Instrument(asset_class="cfd", currency="USD", cfd_kind="index", multiplier=D(2))
    assert estimate_fee(index, market(10), at(5000), rules=IBKR) == Fee(D(5), "USD")
    hong_kong = Instrument(asset_class="cfd", currency="HKD", cfd_kind="index")
    assert estimate_fee(hong_kong, market(10), at(20_000), rules=IBKR) == Fee(D(20), "HKD")
    pair = Instrument(asset_class="cfd", currency="USD", cfd_kind="forex")
    assert estimate_fee(pair, market(-1_000_000), at(2), rules=IBKR, fx_rate=D(3)) == Fee(D(120), "USD")
    assert estimate_fee(pair, market(1_000_000), at(2), rules=IBKR, usd_rate=D(1), fx_rate=D(3)).amount == D(40)
    assert estimate_fee(index, market(10), at(5000), rules=IBKR, cfd_rate=D("0.001")).amount == D(100)
    # The product's own rules go by kind too; the published model has one rate.
    assert estimate_fee(index, market(10), at(5000)).amount == D(5)
    assert estimate_fee(index, market(10), at(5000), rules=rulesets.load("lean")).amount == D(2)


@pytest.mark.parametrize(("currency", "minimum"), [("JPY", 40), ("HKD", 10), ("USD", 1), ("CHF", 1)])
def test_it_charges_at_least_the_minimum_of_the_cfd_currency(currency: str, minimum: int) -> None:
    cfd = Instrument(asset_class="cfd", currency=currency)
    assert estimate_fee(cfd, market(1), at(1)) == Fee(D(minimum), currency)


@pytest.mark.parametrize(
    ("market_name", "product", "currency", "fee"),
    [
        ("hkfe", "HSI", "HKD", Fee(D(80), "HKD")),
        ("hkfe", "MHI", "CNH", Fee(D(39), "CNH")),
        ("hkfe", "MHI", "USD", Fee(D("7.2"), "USD")),
        ("eurex", "FESX", "EUR", Fee(D("2.04"), "EUR")),
        ("nymex", "MCL", "USD", Fee(D("1.14"), "USD")),
        ("cbot", "ZC", "USD", Fee(D("4.94"), "USD")),
    ],
)
def test_it_charges_futures_by_market(market_name: str, product: str, currency: str, fee: Fee) -> None:
    future = Instrument(asset_class="future", market=market_name, product=product, currency=currency)
    assert estimate_fee(future, market(-2), at(100)) == fee


def test_it_charges_korean_futures_on_their_value() -> None:
    future = Instrument(asset_class="future", market="krx", currency="KRW", multiplier=D(250_000))
    assert estimate_fee(future, market(-3), at(400)) == Fee(D(12_000), "KRW")


def test_it_has_no_fee_for_options_on_european_futures_nor_for_an_index() -> None:
    with pytest.raises(UnsupportedAssetClass, match="future_option"):
        estimate_fee(Instrument(asset_class="future_option", market="eurex"), market(1), at(1))
    with pytest.raises(UnsupportedAssetClass, match="index"):
        estimate_fee(Instrument(asset_class="index"), market(1), at(1))


@pytest.mark.parametrize("name", rulesets.names())
def test_a_fee_names_the_rules_that_it_follows(name: str) -> None:
    rules = rulesets.load(name)
    assert estimate_fee(STOCK, market(1), at(10), rules=rules).provenance == rules.provenance
    assert rules.provenance.ruleset == name
    assert rules.provenance.tables.startswith(f"{name}-2")
