"""When each class trades: the rulebook's calendars with their holidays and early closes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.simulator.catalogue import catalogue, hours, options
from brokers.simulator.catalogue.catalogue import Instrument

TODAY = date(2026, 11, 20)
YEARS = st.floats(datetime(2024, 1, 3, tzinfo=UTC).timestamp(), datetime(2028, 12, 1, tzinfo=UTC).timestamp())


def one(symbol: str) -> Instrument:
    instrument = catalogue.resolve(symbol, TODAY)
    assert instrument is not None
    return instrument


def option(conid: int, strike: int, price: float) -> Instrument:
    return options.options(conid, date(2026, 12, 1), strike=Decimal(strike), rights="C", price=price, today=TODAY)[0]


CFD = next(i for i in catalogue.everything(TODAY) if i.sec_type == "CFD" and i.symbol == "AAPL")
CLASSES = {
    "share": one("AAPL"),
    "index": one("SPX"),
    "option": option(265598, 230, 231.0),
    "index option": option(416904, 6500, 6500.0),
    "future": one("ES"),
    "future option": option(510_000_000, 6500, 6500.0),
    "pair": one("EURUSD"),
    "cfd": CFD,
}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("name", "moment", "regular", "extended"),
    [
        ("share", "2026-11-20T13:00", False, True),
        ("share", "2026-11-20T15:00", True, True),
        ("share", "2026-11-26T15:00", False, False),  # Thanksgiving
        ("share", "2026-11-27T18:30", False, False),  # closed at one o'clock
        ("index", "2026-11-20T13:00", False, False),
        ("option", "2026-11-20T13:00", False, False),
        ("option", "2026-11-27T17:30", True, True),
        ("option", "2026-11-27T18:30", False, False),
        ("index option", "2026-11-20T21:10", True, True),  # a quarter past four in New York
        ("index option", "2026-11-20T08:00", False, True),  # at night
        ("index option", "2026-11-27T18:10", True, True),
        ("index option", "2026-11-27T18:20", False, False),
        ("future", "2026-11-20T08:00", True, True),
        ("future", "2026-11-20T22:30", False, False),  # the pause after five
        ("future option", "2026-11-20T08:00", True, True),
        ("pair", "2026-11-20T08:00", True, True),
        ("pair", "2026-11-21T15:00", False, False),
        ("pair", "2026-11-22T22:30", True, True),  # Sunday evening
        ("cfd", "2026-11-20T15:00", True, True),
        ("cfd", "2026-11-20T13:00", False, False),
        ("cfd", "2028-02-21T15:00", False, False),  # a day only the table of shares knows
    ],
)
def test_every_class_keeps_its_own_hours(name: str, moment: str, regular: bool, extended: bool) -> None:
    instrument = CLASSES[name]
    assert hours.is_open(instrument, at(moment), extended=False) is regular
    assert hours.is_open(instrument, at(moment), extended=True) is extended


@settings(deadline=None)
@given(name=st.sampled_from(sorted(CLASSES)), moment=YEARS)
def test_the_last_open_moment_is_now_or_the_end_of_a_session(name: str, moment: float) -> None:
    instrument = CLASSES[name]
    last = hours.last_open(instrument, moment)
    assert last <= moment
    if hours.is_open(instrument, moment, extended=True):
        assert last == moment
    else:
        assert hours.is_open(instrument, last - 1, extended=True)
        assert not hours.is_open(instrument, (last + moment) / 2, extended=True)


@settings(deadline=None)
@given(name=st.sampled_from(sorted(CLASSES)), moment=YEARS)
def test_a_session_ends_after_the_moment_that_is_asked_about(name: str, moment: float) -> None:
    assert hours.session_end(CLASSES[name], moment) > moment


def test_yesterdays_close_is_before_the_weekend() -> None:
    assert hours.previous_close(CLASSES["share"], date(2026, 11, 23)) == at("2026-11-20T21:00")
    assert hours.previous_close(CLASSES["share"], date(2026, 11, 30)) == at("2026-11-27T18:00")
