"""When a contract trades, as IBKR lists it: read from its answer, asked about a moment, kept as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from brokers.domain.trading_hours import Market, TradingDay, TradingHours
from brokers.ibkr.contracts.finding import trading_hours
from brokers.rulebook.calendars import us_shares
from brokers.simulator.tests.conftest import shared_ibkr


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2026, in UTC; New York is five hours behind."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def span(day: int, begins: tuple[int, int], ends: tuple[int, int]) -> tuple[int, int]:
    return int(at(day, *begins).timestamp()), int(at(day, *ends).timestamp())


def listed(*days: int, short: int = 0) -> TradingHours:
    """A share's week: half past nine to four in New York, on the short day to one."""
    regular = tuple(span(day, (14, 30), (18, 0) if day == short else (21, 0)) for day in days)
    extended = tuple((opens - 5 * 3600 - 1800, closes + 4 * 3600) for opens, closes in regular)
    return TradingHours(regular=regular, extended=extended)


# Thanksgiving is the 26th, and the day after it is short.
WEEK = listed(24, 25, 27, 30, short=27)


@pytest.mark.parametrize(
    ("moment", "regular", "extended"),
    [
        (at(24, 8), None, None),
        (at(24, 9), False, True),
        (at(24, 14, 29), False, True),
        (at(24, 14, 30), True, True),
        (at(24, 21), False, True),
        (at(26, 15), False, False),
        (at(27, 17, 59), True, True),
        (at(27, 18), False, True),
        (at(28, 15), False, False),
        (at(30, 20, 59), True, True),
        (at(30, 23), False, True),
        (datetime(2026, 12, 1, 1, tzinfo=UTC), None, None),
    ],
)
def test_it_says_what_is_listed_and_no_more(moment: datetime, regular: bool | None, extended: bool | None) -> None:
    assert WEEK.is_open(moment) is regular
    assert WEEK.is_open(moment, extended=True) is extended


def test_from_when_it_was_asked_for_nothing_is_missing() -> None:
    asked = replace(WEEK, as_of=int(at(22, 12).timestamp()))
    assert asked.is_open(at(23, 15)) is False
    assert asked.is_open(at(22, 11)) is None


def test_it_tells_the_next_session() -> None:
    assert WEEK.opens_after(at(25, 22)) == at(27, 14, 30)
    assert WEEK.opens_after(at(27, 22), extended=True) == at(30, 9)
    assert WEEK.opens_after(at(30, 15)) is None


@pytest.mark.parametrize("hours", [TradingHours(), TradingHours(extended=(span(24, (9, 0), (21, 0)),))])
def test_where_no_regular_session_is_listed_nothing_is_said_of_one(hours: TradingHours) -> None:
    assert hours.is_open(at(24, 15)) is None


def test_it_is_the_same_after_a_row() -> None:
    for hours in WEEK, replace(WEEK, as_of=1_796_000_000):
        assert TradingHours.from_json(json.loads(json.dumps(hours.as_json()))) == hours
    assert TradingHours.from_json(None) is None


def test_a_recorded_schedule_is_read_whole() -> None:
    path = shared_ibkr() / "recordings/Contracts/GET-trading-schedule.json"
    body = json.loads(path.read_text())["Response"]["Body"]
    hours = trading_hours(body, at(24, 15))
    assert hours is not None
    days = body["schedules"].values()
    assert hours.regular == tuple((s["opening"], s["closing"]) for day in days for s in day["liquid_hours"])
    assert hours.extended == tuple((s["opening"], s["closing"]) for day in days for s in day["extended_hours"])
    # Good Friday of 2026 lies between the two days.
    assert hours.is_open(datetime(2026, 4, 3, 15, tzinfo=UTC)) is False


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "closed",
        {"schedules": []},
        {"schedules": {"20261124": []}},
        {"schedules": {"20261124": {"liquid_hours": "all day"}}},
        {"schedules": {"20261124": {"liquid_hours": [{"opening": 5}]}}},
        {"schedules": {"20261124": {"liquid_hours": [{"opening": 20, "closing": 10}]}}},
        {"schedules": {"20261124": {"liquid_hours": [{"opening": 1, "closing": 10**12}]}}},
        {"schedules": {"20261124": {"liquid_hours": [{"opening": 10**15, "closing": 10**15 + 5}]}}},
        {"schedules": {"20261124": {"liquid_hours": [{"opening": True, "closing": None}]}}},
    ],
)
def test_a_schedule_that_is_none_says_nothing(body: Any) -> None:
    assert trading_hours(body, at(24, 15)) is None


def test_a_schedule_without_end_is_cut() -> None:
    row = [{"opening": n, "closing": n + 1} for n in range(1, 5000)]
    hours = trading_hours({"schedules": {"20261124": {"liquid_hours": row}}}, at(24, 15))
    assert hours is not None
    assert len(hours.regular) == 100


# -- the days of a calendar ------------------------------------------------------------------------------------------


def test_the_brokers_days_count_in_the_calendar() -> None:
    # A day of mourning that no table knows, and a holiday that is none.
    calendar = us_shares().as_listed(listed(23, 24, 26, 27, short=24).regular)
    assert calendar.is_open(at(23, 15))
    assert not calendar.is_open(at(24, 18))
    assert calendar.early_closes[date(2026, 11, 24)] == time(13)
    assert not calendar.trades_on(date(2026, 11, 25))
    assert calendar.is_open(at(26, 15))
    assert calendar.is_open(at(27, 20)), "a full day, though the table has a short one"


def test_other_days_stay_as_the_table_has_them() -> None:
    calendar = us_shares().as_listed(listed(23, 24).regular)
    assert not calendar.trades_on(date(2026, 12, 25))
    assert calendar.early_closes[date(2026, 11, 27)] == time(13)
    assert us_shares().as_listed(()) == us_shares()


def test_the_days_are_those_of_the_exchange() -> None:
    since = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)  # the Friday after Thanksgiving, a half day
    seconds = [
        int(datetime(*moment, tzinfo=UTC).timestamp())
        for moment in ((2026, 11, 27, 14, 30), (2026, 11, 27, 18, 0), (2026, 11, 29, 23, 0), (2026, 11, 30, 22, 0))
    ]
    hours = TradingHours(
        regular=((seconds[0] - 86400, seconds[1] - 86400), (seconds[0], seconds[1])),
        extended=((seconds[2], seconds[3]),),
        as_of=seconds[0],
        zone="America/New_York",
    )
    assert hours.days(since) == [
        TradingDay(day=date(2026, 11, 27), regular=("09:30-13:00",), extended=()),
        TradingDay(day=date(2026, 11, 29), regular=(), extended=("18:00-Mon 17:00",)),
    ]
    assert hours.market(since) is Market.OPEN
    assert hours.closes_after(since) == datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    assert hours.market(since + timedelta(hours=4)) is Market.CLOSED
    assert hours.market(since + timedelta(days=3)) is Market.EXTENDED
    assert hours.market(since + timedelta(days=30)) is None
    assert TradingHours.from_json(hours.as_json()) == hours
    older = {name: value for name, value in hours.as_json().items() if name != "zone"}
    assert TradingHours.from_json(older) == replace(hours, zone="")


@pytest.mark.parametrize("name", ["../../etc/passwd", "x" * 5000, "A\0B", "America", "", None, {}, 7, "Nowhere/Land"])
def test_a_zone_that_is_none_is_not_believed(name: Any) -> None:
    day = {"liquid_hours": [{"opening": 100, "closing": 200}]}
    hours = trading_hours({"exchange_time_zone": name, "schedules": {"20261127": day}}, at(27, 15))
    assert hours is not None
    assert hours.zone == ""
