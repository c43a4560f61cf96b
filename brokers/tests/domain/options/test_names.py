"""An option's name says what it is, and one name has one spelling."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.contracts.options import OptionName, named
from brokers.ibkr.contracts.finding import first_day_of_options


@pytest.mark.parametrize(
    ("ticker", "spoken"),
    [
        ("SPY 261218C640", "SPY 18 Dec 2026 640 C"),
        ("SPY 261204P582.5", "SPY 4 Dec 2026 582.5 P"),
        ("BRK.B 270115C500", "BRK.B 15 Jan 2027 500 C"),
    ],
)
def test_it_is_spoken_as_people_name_it(ticker: str, spoken: str) -> None:
    name = named(ticker)
    assert name is not None
    assert (name.spoken, str(name)) == (spoken, ticker)


@pytest.mark.parametrize(
    "ticker", ["SPY", "SPY 261318C640", "SPY 261218X640", "SPY 261218C", "SPY 261218C0", "contract 7", "spy 261218C640"]
)
def test_what_names_no_option_is_none(ticker: str) -> None:
    assert named(ticker) is None


@given(
    st.dates(date(2026, 1, 1), date(2068, 12, 31)),
    st.sampled_from("CP"),
    st.decimals("0.5", "9999999", places=3),
)
def test_a_name_is_read_back(expiry: date, right: str, strike: Decimal) -> None:
    name = OptionName(underlying="SPY", expiry=expiry, right=right, strike=strike)
    assert named(str(name)) == name


def test_after_the_close_the_days_options_are_over() -> None:
    assert first_day_of_options(datetime(2026, 12, 18, 20, 59, tzinfo=UTC)) == date(2026, 12, 18)
    assert first_day_of_options(datetime(2026, 12, 18, 21, 0, tzinfo=UTC)) == date(2026, 12, 19)
    # A half day ends at one, and one without trade passes as others do.
    assert first_day_of_options(datetime(2026, 11, 27, 17, 59, tzinfo=UTC)) == date(2026, 11, 27)
    assert first_day_of_options(datetime(2026, 11, 27, 18, 0, tzinfo=UTC)) == date(2026, 11, 28)
    assert first_day_of_options(datetime(2026, 11, 26, 18, 0, tzinfo=UTC)) == date(2026, 11, 26)
    # In New York it is still the evening of the 18th.
    assert first_day_of_options(datetime(2026, 12, 19, 3, 0, tzinfo=UTC)) == date(2026, 12, 19)


def test_days_are_counted_to_the_last_one() -> None:
    name = named("SPY 261218C640")
    assert name is not None
    assert [name.days_left(date(2026, 12, each)) for each in (11, 18, 19)] == [7, 0, -1]
