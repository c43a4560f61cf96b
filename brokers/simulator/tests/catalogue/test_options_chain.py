"""Option chains: derived from the date and the price, and known by numbers that say everything."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.simulator.catalogue import catalogue, futures, options
from brokers.simulator.catalogue.hours import is_business_day
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.catalogue.series import Series, by_slot, periods, series_of
from config.tests.samples import samples

TODAY = date(2026, 11, 20)
QUICK = settings(deadline=None)
AAPL, SPX, SPY = 265598, 416904, 756733
DAYS = st.dates(date(2024, 1, 2), date(2028, 3, 31))
SERIES = st.sampled_from(sorted(by_slot().values(), key=lambda series: series.slot))


def product(root: str) -> Instrument:
    product = futures.underlying(root)
    assert product is not None
    return product


def test_there_are_chains_on_shares_indices_and_futures() -> None:
    kinds = {series.root_type for series in by_slot().values()}
    assert kinds == {"STK", "IND", "FUT"}
    assert len(by_slot()) > 450
    assert all(series.slot < 512 and len(series.ladder.strikes) <= 1024 for series in by_slot().values())


@QUICK
@given(series=SERIES, period=st.integers(0, 1023), place=st.integers(0, 1023), right=st.sampled_from("CP"))
def test_every_number_of_an_option_leads_back_to_it(series: Series, period: int, place: int, right: str) -> None:
    conid = 2**30 + ((series.slot * 1024 + period) * 1024 + place) * 2 + (right == "P")
    option = catalogue.find(conid)
    if place >= len(series.ladder.strikes) or series.expiry(period) is None:
        assert option is None
        return
    assert option is not None
    assert option.conid == conid < 2**31
    assert (option.right, option.strike, option.expiry) == (right, series.ladder.strikes[place], series.expiry(period))
    assert option.trading_class == series.class_in(period)


@QUICK
@given(series=SERIES, day=DAYS)
def test_what_is_listed_has_not_ended_and_ends_on_business_days(series: Series, day: date) -> None:
    last = [series.expiry(period) for period in periods(series, day)]
    assert last == sorted(set(last), key=lambda each: each or day)
    assert all(each is not None and each >= day and is_business_day(each) for each in last)


@settings(max_examples=samples(15), deadline=None)
@given(conid=st.sampled_from([AAPL, SPX, SPY, 416843, 416888, 13455763, 510_000_000, 510_000_004]), day=DAYS)
def test_a_chain_is_sorted_and_no_two_of_its_contracts_share_a_number(conid: int, day: date) -> None:
    root = catalogue.find(conid)
    assert root is not None
    for month in options.months(conid, day)[:3]:
        strikes = options.strikes(conid, month, root.base_price, day)
        assert strikes == sorted(set(strikes))
        assert strikes[0] < Decimal(root.base_price) < strikes[-1]
        chain = options.chain(conid, month, root.base_price, day)
        assert len({option.conid for option in chain}) == len(chain)
        assert all(catalogue.find(option.conid) == option for option in chain)
        assert all(catalogue.is_listed(option, day) for option in chain[::50])
        assert {option.right for option in chain} == {"C", "P"}


@QUICK
@given(series=SERIES, other=SERIES, day=DAYS)
def test_no_class_of_a_root_ends_twice_on_a_day(series: Series, other: Series, day: date) -> None:
    if series is other or (series.root_type, series.root) != (other.root_type, other.root):
        return
    one, two = ({(s.class_in(p), s.expiry(p)) for p in periods(s, day)} for s in (series, other))
    assert not one & two


def test_options_on_shares_end_on_fridays_and_before_holidays_on_thursdays() -> None:
    last = options.expirations(AAPL, date(2025, 4, 7))
    assert date(2025, 4, 17) in last  # Good Friday is the 18th
    assert date(2025, 4, 18) not in last
    assert options.expirations(AAPL, TODAY)[:3] == [date(2026, 11, 20), date(2026, 11, 27), date(2026, 12, 4)]


def test_daily_options_end_every_business_day_of_two_weeks() -> None:
    last = options.expirations(SPY, TODAY)
    assert last[:5] == [date(2026, 11, day) for day in (20, 23, 24, 25, 27)]  # the 26th is Thanksgiving


def test_monthly_index_options_stop_the_day_before_the_weekly_ones() -> None:
    listed = options.options(SPX, date(2026, 12, 1), strike=Decimal(6500), rights="C", price=6500.0, today=TODAY)
    by_class = {(option.trading_class, option.expiry) for option in listed}
    assert ("SPX", date(2026, 12, 17)) in by_class
    assert ("SPXW", date(2026, 12, 18)) in by_class
    assert {option.style for option in listed} == {"european"}
    assert {option.settlement for option in listed} == {"cash"}


@pytest.mark.parametrize(
    ("root", "named_after", "last"),
    [
        ("CL", date(2026, 1, 1), date(2025, 12, 16)),
        ("NG", date(2025, 12, 1), date(2025, 11, 24)),
        ("GC", date(2026, 2, 1), date(2026, 1, 27)),
        ("EUR", date(2026, 1, 1), date(2026, 1, 9)),
        ("ZC", date(2026, 1, 1), date(2025, 12, 26)),
    ],
)
def test_options_on_futures_end_on_the_days_their_exchanges_say(root: str, named_after: date, last: date) -> None:
    [series] = [s for s in series_of(product(root).conid) if s.is_monthly]
    assert series.expiry((named_after.year - 2024) * 12 + named_after.month - 1) == last


def test_an_option_on_a_future_turns_into_the_next_month_that_still_trades() -> None:
    gold = product("GC")
    [option] = options.options(
        gold.conid, date(2027, 1, 1), strike=Decimal(2700), rights="C", price=2700.0, today=TODAY
    )
    future = catalogue.find(option.underlying_conid)
    assert future is not None
    assert (future.month, option.expiry) == (date(2027, 2, 1), date(2026, 12, 28))
    assert (option.sec_type, option.exchange, option.multiplier) == ("FOP", "COMEX", Decimal(100))


def test_weekly_options_on_futures_carry_the_number_of_their_week() -> None:
    es = product("ES")
    listed = options.options(es.conid, date(2026, 12, 1), strike=Decimal(6500), rights="P", price=6500.0, today=TODAY)
    assert [(o.trading_class, o.expiry) for o in listed] == [
        ("E1B", date(2026, 12, 1)),
        ("E1C", date(2026, 12, 2)),
        ("E1D", date(2026, 12, 3)),
        ("EW1", date(2026, 12, 4)),
        ("EW2", date(2026, 12, 11)),
        ("ES", date(2026, 12, 18)),
    ]


def test_a_day_of_the_week_has_the_number_that_it_has_in_its_month() -> None:
    on_monday, on_tuesday = date(2026, 11, 30), date(2026, 12, 1)
    listed = options.options(
        product("NQ").conid, date(2026, 11, 1), strike=Decimal(21000), rights="C", price=21000.0, today=on_monday
    )
    assert [(o.trading_class, o.expiry, o.local_symbol) for o in listed] == [("Q5A", on_monday, "Q5AX6 C21000")]
    tomorrow = options.options(
        product("NQ").conid, date(2026, 12, 1), strike=Decimal(21000), rights="C", price=21000.0, today=on_monday
    )
    assert (tomorrow[0].trading_class, tomorrow[0].expiry) == ("Q1B", on_tuesday)
    assert {o.expiry for o in tomorrow if o.expiry is not None and o.expiry < date(2026, 12, 15)} == {
        date(2026, 12, day) for day in (1, 2, 3, 4, 7, 8, 9, 10, 11, 14)
    }


def test_an_option_is_spelled_as_its_clearing_house_does() -> None:
    [option] = options.options(AAPL, date(2027, 1, 1), strike=Decimal("232.5"), rights="C", price=231.0, today=TODAY)
    assert option.local_symbol == "AAPL  270115C00232500"
    assert option.described == "AAPL JAN2027 232.5 C [AAPL  270115C00232500 100]"


def test_ticks_get_coarser_with_the_price() -> None:
    [apple] = options.options(AAPL, date(2027, 1, 1), strike=Decimal(230), rights="C", price=231.0, today=TODAY)
    assert [apple.tick(Decimal(p)) for p in ("0.5", "2.99", "3", "40")] == [
        Decimal(t) for t in ("0.01", "0.01", "0.05", "0.05")
    ]


def test_what_is_over_or_not_listed_yet_does_not_trade() -> None:
    [option] = options.options(AAPL, date(2026, 12, 1), strike=Decimal(230), rights="C", price=231.0, today=TODAY)[:1]
    assert catalogue.is_listed(option, TODAY)
    assert not catalogue.is_listed(option, date(2026, 12, 5))
    assert not catalogue.is_listed(option, date(2025, 1, 2))


@QUICK
@given(strike=st.decimals(allow_nan=False, allow_infinity=False), price=st.floats(0.01, 1e6))
def test_strikes_nobody_lists_find_nothing(strike: Decimal, price: float) -> None:
    listed = options.options(AAPL, date(2026, 12, 1), strike=strike, rights="CP", price=price, today=TODAY)
    assert all(option.strike == strike for option in listed)
    assert not listed or strike > 0
