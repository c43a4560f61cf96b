"""How much of each class an account may open, and that an order of just so much is what the rule of its class takes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.rulebook.errors import UnknownWord, UnsupportedAssetClass
from brokers.rulebook.margin import buying_power
from brokers.rulebook.margin.by_class import SHOWN, Counts, power_of, powers
from brokers.rulebook.values import Account, Instrument, Order, Quote
from brokers.rulebook.words import AssetClass

D = Decimal
FUNDS = st.decimals(min_value=-1_000_000, max_value=10_000_000, places=2)
KINDS = ("cash", "margin")
TWENTY_FIVE = D(25_000)


def account(kind: str = "margin", available: Decimal | None = TWENTY_FIVE, **values: Any) -> Account:
    return Account(type=kind, available=available, **values)


def figures(kind: str) -> dict[str, Decimal | None]:
    return {each.asset_class: each.amount for each in powers(account(kind))}


def test_a_margin_account_holds_shares_for_twice_its_funds_and_pays_options_in_full() -> None:
    assert figures("margin") == {
        "equity": D(50_000),
        "option": D(25_000),
        "index_option": D(25_000),
        "future": D(25_000),
        "future_option": D(25_000),
        "forex": D(1_250_000),
        "cfd": D(250_000),
    }


def test_a_cash_account_borrows_nothing_and_its_currencies_pay_for_themselves() -> None:
    shown = figures("cash")
    assert shown.pop("forex") is None
    assert set(shown.values()) == {D(25_000)}


def test_ibkrs_own_buying_power_counts_where_it_is_more_than_may_be_held_overnight() -> None:
    power = power_of(AssetClass.EQUITY, account(), D(100_000))
    assert (power.amount, power.today, power.most) == (D(50_000), D(100_000), D(100_000))
    assert power.sentence("USD") == "Buying power for shares: 50,000.00 USD; for today IBKR's own 100,000.00."
    # It is about shares alone, and never makes anything smaller.
    assert power_of(AssetClass.EQUITY, account(), D(40_000)).today is None
    assert power_of(AssetClass.EQUITY, account("cash"), D(100_000)).today is None
    assert {each.today for each in powers(account(), D(100_000)) if each.asset_class != AssetClass.EQUITY} == {None}


def test_each_figure_says_what_it_is_held_against() -> None:
    counts = {each.asset_class: each.counts for each in powers(account())}
    assert counts[AssetClass.OPTION] is counts[AssetClass.INDEX_OPTION] is Counts.PREMIUM
    assert counts[AssetClass.FUTURE] is counts[AssetClass.FUTURE_OPTION] is Counts.MARGIN
    assert counts[AssetClass.EQUITY] is counts[AssetClass.FOREX] is counts[AssetClass.CFD] is Counts.VALUE
    said = power_of(AssetClass.OPTION, account()).sentence("EUR")
    assert said == "Buying power for options on shares: 25,000.00 EUR of premium."
    assert power_of(AssetClass.FOREX, account("cash")).sentence("USD") == ""
    assert all(each.meaning and each.label for kind in KINDS for each in powers(account(kind)))


def test_without_ibkrs_figure_it_follows_from_the_accounts_values() -> None:
    values = {"total_value": D(30_000), "unsettled_cash": D(4_000), "margin_used": D(6_000)}
    assert power_of(AssetClass.EQUITY, account("margin", None, **values)).amount == D(40_000)
    assert power_of(AssetClass.EQUITY, account("cash", None, **values)).amount == D(20_000)


def test_what_is_not_traded_and_what_is_no_account_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedAssetClass):
        power_of("crypto", account())
    with pytest.raises(UnknownWord):
        power_of(AssetClass.EQUITY, account("savings"))


@given(funds=FUNDS, told=st.none() | FUNDS, kind=st.sampled_from(KINDS))
def test_no_figure_is_below_zero_and_none_shrinks_when_funds_grow(
    funds: Decimal, told: Decimal | None, kind: str
) -> None:
    now, later = powers(account(kind, funds), told), powers(account(kind, funds + 1_000), told)
    assert [each.asset_class for each in now] == list(SHOWN)
    for before, after in zip(now, later, strict=True):
        assert (before.most is None) is (after.most is None)
        if before.most is not None and after.most is not None:
            assert 0 <= before.most <= after.most


@given(
    funds=st.decimals(min_value=1, max_value=10_000_000, places=2),
    asset_class=st.sampled_from([AssetClass.EQUITY, AssetClass.OPTION, AssetClass.INDEX_OPTION, AssetClass.CFD]),
    kind=st.sampled_from(KINDS),
)
def test_an_order_of_just_so_much_is_taken_and_one_of_a_cent_more_is_not(
    funds: Decimal, asset_class: str, kind: str
) -> None:
    power = power_of(asset_class, account(kind, funds))
    assert power.amount is not None
    for price, taken in ((power.amount, True), (power.amount + D("0.01") * power.times, False)):
        order = Order(type="market", quantity=D(1))
        verdict = buying_power(Instrument(asset_class=asset_class), order, Quote(price=price), account(kind, funds))
        assert verdict.sufficient is taken
