"""The tables as rows for people: every tier of every schedule, hours by the exchange's clock, every code."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.rulebook import rulesets
from brokers.rulebook.fees import Volume, estimate_fee
from brokers.rulebook.lookup import tables
from brokers.rulebook.lookup.fees import FeeRow, fees
from brokers.rulebook.lookup.hours import hours
from brokers.rulebook.lookup.wording import clock, percent, plain, price
from brokers.rulebook.reasons import SENTENCES
from brokers.rulebook.values import Instrument, Order, Quote

D = Decimal


def rows(asset_class: str, ruleset: str = "seed") -> list[FeeRow]:
    return [row for row in fees(rulesets.load(ruleset)) if row.asset_class == asset_class]


@pytest.mark.parametrize("name", rulesets.names())
def test_every_class_has_a_fee_to_look_up(name: str) -> None:
    # Index options are charged by the schedule of options.
    assert {row.asset_class for row in fees(rulesets.load(name))} == set(tables.CLASSES) - {"index_option"}


def test_the_tiers_of_options_are_all_there() -> None:
    assert [(row.what, row.rate, row.whom) for row in rows("option")] == [
        ("Premium from 0.10", "0.65 USD a contract", "up to 10,000 contracts a month"),
        ("Premium from 0.05", "0.50 USD a contract", "up to 10,000 contracts a month"),
        ("Premium below 0.05", "0.25 USD a contract", "up to 10,000 contracts a month"),
        ("Premium from 0.05", "0.50 USD a contract", "up to 50,000 contracts a month"),
        ("Premium below 0.05", "0.25 USD a contract", "up to 50,000 contracts a month"),
        ("Any premium", "0.25 USD a contract", "up to 100,000 contracts a month"),
        ("Any premium", "0.15 USD a contract", "above 100,000 contracts a month"),
    ]


@pytest.mark.parametrize(("monthly", "row"), [("0", 0), ("1500000000", 1), ("3000000000", 2), ("9000000000", 3)])
def test_a_row_says_what_is_charged(monthly: str, row: int) -> None:
    shown = rows("forex")[row]
    pair = Instrument(asset_class="forex", symbol="EURUSD")
    order = Order(type="market", quantity=D(5_000_000))
    fee = estimate_fee(pair, order, Quote(price=D(1)), volume=Volume(forex_usd=D(monthly)))
    assert shown.rate == f"{percent(fee.amount / 5_000_000)} of the value"


def test_products_of_one_fee_share_a_row() -> None:
    by_name = {row.what: row.rate for row in rows("future")}
    assert by_name["EMD, ES, NQ, RTY, YM"] == "2.15 USD a contract"
    assert by_name["Any other of the US"] == "2.47 USD a contract"
    assert by_name["Hong Kong: any other"] == "19.50 CNH, 30 HKD, 3.60 USD a contract, by its currency"


def test_another_ruleset_shows_its_own_plans() -> None:
    tiered = [row for row in rows("equity", "ibkr_current") if row.what == "US, tiered plan"]
    assert (tiered[0].rate, tiered[0].whom) == ("0.0035 USD a share", "up to 300,000 shares a month")
    assert tiered[-1].whom == "above 100,000,000 shares a month"
    assert ("On an index in HKD", "0.01 % of the value") in [(r.what, r.rate) for r in rows("cfd", "ibkr_current")]


def test_hours_are_those_of_the_exchanges_own_clock() -> None:
    by_name = {row.market: row for row in hours(datetime(2026, 11, 20, 15, tzinfo=UTC))}
    shares, es = by_name["US shares"], by_name["ES futures"]
    assert (shares.state, shares.local, shares.zone) == ("open", "Fri 10:00", "New York")
    assert shares.regular == ("Mon to Fri 09:30-16:00",)
    assert shares.extended == ("Mon to Fri 04:00-09:30, 16:00-20:00",)
    assert es.extended == ("Mon to Thu 00:00-09:30, 18:00-24:00", "Fri 00:00-09:30", "Sun 18:00-24:00")
    assert [(f"{each.day}", each.closes) for each in shares.special] == [
        ("2026-11-26", ""),
        ("2026-11-27", "13:00"),
        ("2026-12-24", "13:00"),
    ]


def test_every_market_knows_its_holidays() -> None:
    by_name = {row.market: row for row in hours(datetime(2026, 11, 21, 15, tzinfo=UTC))}
    assert all(row.knows_holidays for row in by_name.values())
    assert {row.state for row in by_name.values()} == {"closed"}
    assert hours(datetime(2026, 11, 20, 22, tzinfo=UTC))[0].state == "extended"


def test_every_code_can_be_looked_up() -> None:
    by_name = {row.code: row.sentence for row in tables.reasons()}
    assert set(by_name) == set(SENTENCES)
    assert by_name["quantity_below_lot_size"].startswith("The quantity [quantity] is below the lot size [lot size].")
    assert not any("{" in sentence for sentence in by_name.values())


def test_figures_are_written_as_people_write_them() -> None:
    assert [plain(D("1.50")), plain(D("100")), plain(D("0.0035"))] == ["1.5", "100", "0.0035"]
    assert [price(D("0.5")), price(D("1")), price(D("0.005"))] == ["0.50", "1", "0.005"]
    assert [percent(D("0.00002")), clock(0), clock(86_400), clock(34_200)] == ["0.002 %", "00:00", "24:00", "09:30"]
