"""Which option of a chain a rule means: never an expired one, never one on the wrong side of the money, no other strike."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.contracts import picking
from brokers.domain.contracts.options import OptionName
from brokers.domain.contracts.picking import NothingFits, Rule, Side, rule_of

TODAY = date(2026, 11, 30)
STRIKES = [Decimal(each) for each in (610, 615, 620, 625, 630, 635, 640, 645)]
PRICE = Decimal("628.35")

expirations = st.one_of(
    st.dates(date(2026, 1, 1), date(2030, 1, 1)).map(str),
    st.tuples(st.integers(0, 400), st.sampled_from(["days", "weeks", "months", "years"])).map(
        lambda each: f"+{each[0]} {each[1]}"
    ),
)
prices = st.decimals("0.5", "9999", places=2)
chains = st.lists(st.integers(1, 2000).map(lambda each: Decimal(each) / 2), min_size=1, max_size=60, unique=True)
days = st.lists(st.dates(date(2026, 11, 1), date(2029, 1, 1)), max_size=40)
sides, rights = st.sampled_from(Side), st.sampled_from("CP")


def rule(right: str = "C", expiration: str = "+1 weeks", **values: Any) -> Rule:
    return Rule(underlying="SPY", right=right, expiration=expiration, **values)


@given(rights, expirations, st.integers(0, picking.MOST_AWAY), sides, st.none() | prices)
def test_a_rule_is_read_back(right: str, expiration: str, away: int, side: Side, strike: Decimal | None) -> None:
    counted: dict[str, Any] = {} if strike is not None or not away else {"away": away, "side": side}
    asked = rule(right, expiration, strike=strike, **counted)
    assert rule_of(str(asked)) == asked
    assert len(str(asked)) <= 40


@pytest.mark.parametrize("ticker", ["SPY", "SPY 261218C640", "SPY C", "SPY C +1 weeks", "SPY X +1 weeks out 2", "MNQ"])
def test_what_spells_no_rule_is_none(ticker: str) -> None:
    assert rule_of(ticker) is None


@given(expirations, days, st.dates(date(2026, 11, 1), date(2029, 1, 1)))
def test_a_day_is_never_over_and_never_too_near(expiration: str, listed: list[date], today: date) -> None:
    asked = rule(expiration=expiration)
    try:
        last = picking.day_of(asked, listed, today)
    except NothingFits:
        first = asked.first_day(today)
        assert not [each for each in listed if each >= max(first, today)] or asked.is_dated
        return
    assert last in listed
    assert last >= today
    first = asked.first_day(today)
    assert last == first if asked.is_dated else last >= first
    # The nearest that is far enough ahead: none lies between.
    assert not [each for each in listed if max(first, today) <= each < last]


@given(rights, sides, st.integers(1, picking.MOST_AWAY), chains, prices)
def test_a_counted_strike_is_on_its_side_of_the_money_and_exactly_so_far_away(
    right: str, side: Side, away: int, strikes: list[Decimal], price: Decimal
) -> None:
    asked = rule(right, away=away, side=side)
    above = (right == "C") is (side is Side.OUT)
    on_its_side = [each for each in strikes if (each > price if above else each < price)]
    try:
        strike = picking.strike_of(asked, strikes, price)
    except NothingFits:
        assert len(on_its_side) < away
        return
    assert strike in on_its_side
    nearer = [each for each in on_its_side if abs(each - price) < abs(strike - price)]
    assert len(nearer) == away - 1


@given(rights, chains, prices)
def test_at_the_money_is_the_nearest_strike(right: str, strikes: list[Decimal], price: Decimal) -> None:
    strike = picking.strike_of(rule(right), strikes, price)
    assert abs(strike - price) == min(abs(each - price) for each in strikes)


@given(rights, chains, prices)
def test_a_strike_that_is_named_is_taken_or_nothing(right: str, strikes: list[Decimal], price: Decimal) -> None:
    asked = rule(right, strike=price)
    if price in strikes:
        assert picking.strike_of(asked, strikes, Decimal(1)) == price
        return
    with pytest.raises(NothingFits, match="The nearest are"):
        picking.strike_of(asked, strikes, Decimal(1))


@pytest.mark.parametrize(
    ("right", "values", "strike", "said"),
    [
        ("C", {"away": 2}, 635, "second strike out of the money at 628.35"),
        ("P", {"away": 2}, 620, "second strike out of the money at 628.35"),
        ("C", {"away": 1, "side": Side.IN}, 625, "first strike in the money at 628.35"),
        ("C", {}, 630, "the strike nearest to 628.35"),
        ("P", {"strike": Decimal(640)}, 640, "the strike asked for"),
    ],
)
def test_it_is_explained(right: str, values: dict[str, Any], strike: int, said: str) -> None:
    asked = rule(right, **values)
    assert picking.strike_of(asked, STRIKES, PRICE) == strike
    name = OptionName(underlying="SPY", expiry=date(2026, 12, 18), right=right, strike=Decimal(strike))
    assert picking.explained(name, asked, PRICE) == f"SPY 18 Dec 2026 {strike} {right}: {said}"


@pytest.mark.parametrize(
    ("expiration", "today", "first"),
    [
        ("+1 weeks", TODAY, date(2026, 12, 7)),
        ("+0 days", TODAY, TODAY),
        ("+3 months", TODAY, date(2027, 2, 28)),
        ("+1 years", date(2028, 2, 29), date(2029, 2, 28)),
        ("+9999 years", TODAY, date(9999, 11, 30)),
    ],
)
def test_how_far_ahead(expiration: str, today: date, first: date) -> None:
    assert rule(expiration=expiration).first_day(today) == first


def test_a_date_that_is_no_day_of_expiry_names_those_beside_it() -> None:
    fridays = [date(2026, 12, 4) + timedelta(days=7 * each) for each in range(6)]
    with pytest.raises(NothingFits) as nothing:
        picking.day_of(rule(expiration="2026-12-19"), fridays, TODAY)
    assert str(nothing.value) == (
        "No option on SPY ends on 19 Dec 2026, a Saturday. "
        "The nearest days are 11 Dec 2026, 18 Dec 2026 and 25 Dec 2026. Send one of them."
    )
