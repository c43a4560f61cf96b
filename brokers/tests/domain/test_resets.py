"""IBKR's nights: windows by the wall clock of a place, the gate before them, and what their time does to a way out."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.session import resets
from brokers.domain.session.resets import AFTERWARDS, DEFAULT, Resets, Window, WindowRefused
from brokers.domain.sessions import Region

NA = Region.NORTH_AMERICA
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC))
REGIONS = st.sampled_from(Region)


def test_a_region_and_the_weekend_may_have_no_window() -> None:
    read = resets.read(["NA=none", "weekend = None"])
    assert (read.nightly[NA], read.weekend) == ([], ())
    assert read.nightly[Region.EUROPE] == DEFAULT.nightly[Region.EUROPE]
    with pytest.raises(WindowRefused, match="MARS"):
        resets.read(["MARS=none"])


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_windows_are_spelled_as_people_read_them() -> None:
    assert [str(window) for window in DEFAULT.nightly[Region.ASIA]] == [
        "04:45 to 06:05 in Hong Kong",
        "20:15 to 21:15 in Hong Kong",
    ]
    assert [str(window) for window in DEFAULT.weekend] == ["Friday 23:00 to 03:00 in New York"]


@pytest.mark.parametrize(
    ("now", "region", "closed"),
    [
        (utc(2026, 11, 19, 4, 42, 59), NA, False),  # 23:42:59 in New York
        (utc(2026, 11, 19, 4, 43), NA, True),
        (utc(2026, 11, 19, 6, 44, 59), NA, True),
        (utc(2026, 11, 19, 6, 45), NA, False),
        (utc(2026, 11, 19, 5, 23), Region.EUROPE, True),  # 6:23 in Zurich
        (utc(2026, 11, 19, 12, 13), Region.ASIA, True),  # the second one of Hong Kong
        (utc(2026, 11, 21, 3, 58), Region.ASIA, True),  # Friday 22:58 in New York
        (utc(2026, 11, 20, 3, 58), Region.ASIA, False),
    ],
)
def test_the_gate_closes_two_minutes_before_the_window(now: datetime, region: Region, closed: bool) -> None:
    assert (DEFAULT.closed_at(now, region) is not None) is closed


def test_in_the_minutes_before_it_ibkr_is_not_away_yet() -> None:
    night = DEFAULT.closed_at(utc(2026, 11, 19, 4, 44), NA)
    assert night is not None
    assert not night.is_away(utc(2026, 11, 19, 4, 44))
    assert night.is_away(utc(2026, 11, 19, 4, 45))


@pytest.mark.parametrize(
    ("opens", "closes", "day", "begins", "ends"),
    [
        # The clocks are put back at 2:00: an hour exists twice, and the window lasts through both.
        (time(23, 45), time(1, 45), (2026, 10, 31), utc(2026, 11, 1, 3, 45), utc(2026, 11, 1, 6, 45)),
        (time(1, 30), time(3), (2026, 11, 1), utc(2026, 11, 1, 5, 30), utc(2026, 11, 1, 8)),
        # They are put forward: 2:30 is missing, and nothing of the window is.
        (time(1), time(2, 30), (2026, 3, 8), utc(2026, 3, 8, 6), utc(2026, 3, 8, 7, 30)),
        (time(2, 30), time(4), (2026, 3, 8), utc(2026, 3, 8, 6, 30), utc(2026, 3, 8, 8)),
    ],
)
def test_nights_of_the_changing_clocks(
    opens: time, closes: time, day: tuple[int, int, int], begins: datetime, ends: datetime
) -> None:
    span = Window(opens, closes, "America/New_York").on(datetime(*day).date())
    assert span is not None
    assert (span.begins, span.ends) == (begins, ends)


def test_the_hour_that_exists_twice_is_one_night() -> None:
    """1:50 of the first time and 1:10 of the second: without a gap between them."""
    moments = [utc(2026, 11, 1, 3, 43) + timedelta(minutes=minutes) for minutes in range(182)]
    assert all(DEFAULT.closed_at(moment, NA) for moment in moments)


@given(MOMENTS, REGIONS)
def test_a_night_holds_its_moment_and_ends(now: datetime, region: Region) -> None:
    night = DEFAULT.closed_at(now, region)
    if night is not None:
        assert night.closes <= now < night.ends
        assert night.begins - night.closes == DEFAULT.gate
        assert night.ends - night.closes < timedelta(hours=7)
        assert DEFAULT.closed_at(night.ends, region) is None
        assert DEFAULT.last_end(night.ends, region) == night.ends
    assert (resets.reset_at(now, region) is not None) is (night is not None and night.is_away(now))


@given(MOMENTS, REGIONS)
def test_every_region_is_away_once_a_day(now: datetime, region: Region) -> None:
    last = DEFAULT.last_end(now, region)
    assert last is not None
    assert now - timedelta(days=2) < last <= now


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(hours=8)), REGIONS)
def test_a_way_out_never_loses_time_to_a_night(created_at: datetime, life: timedelta, region: Region) -> None:
    until = DEFAULT.deadline(created_at, created_at + life, region)
    assert until >= created_at + life
    night = DEFAULT.closed_at(created_at + life, region)
    assert (until == created_at + life) is (night is None)
    if night is not None:
        assert until >= night.ends + AFTERWARDS
        # Once: a second look gives nothing more.
        assert DEFAULT.deadline(created_at, until, region) == until or DEFAULT.closed_at(until, region)


def test_windows_are_read_as_they_are_written() -> None:
    read = resets.read(
        ["EU=00:10-00:50 Europe/Zurich", "EU=04:00-04:20 Europe/Zurich", "weekend=Sat 18:00-20:00 America/New_York"],
        timedelta(seconds=30),
    )
    assert [window.opens for window in read.nightly[Region.EUROPE]] == [time(0, 10), time(4)]
    assert read.nightly[NA] == DEFAULT.nightly[NA]
    assert [(window.weekday, window.code) for window in read.weekend] == [(5, "weekend-maintenance")]
    assert read.closed_at(utc(2026, 11, 18, 23, 9, 30), Region.EUROPE) is not None
    assert read.closed_at(utc(2026, 11, 18, 23, 9, 29), Region.EUROPE) is None
    assert resets.read([]) == Resets()


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("23:45-01:45", "is not written like"),
        ("MARS=23:45-01:45 America/New_York", "is none of"),
        ("NA=25:00-01:45 America/New_York", "an hour that no clock shows"),
        ("NA=23:45-23:45 America/New_York", "begins and ends at one time"),
        ("NA=23:45-01:45 America/Atlantis", "is no time zone"),
        ("NA=23:45-01:45 ../../etc/passwd", "is not written like"),
        ("WEEKEND=23:00-03:00 America/New_York", "names no day of the week"),
        ("WEEKEND=noo 23:00-03:00 America/New_York", "is no day of the week"),
        ("", "is not written like"),
    ],
)
def test_it_says_what_is_wrong_with_a_window(written: str, why: str) -> None:
    with pytest.raises(WindowRefused, match=why):
        resets.read([written])


@pytest.mark.parametrize(
    ("place", "region"),
    [("NJ", NA), ("zug", Region.EUROPE), (" HK ", Region.ASIA), ("MARS", None), ("", None), ("N" * 20, None)],
)
def test_ibkrs_places_are_regions(place: str, region: Region | None) -> None:
    assert resets.region_of_place(place) == region


@pytest.mark.parametrize(
    ("region", "on", "closes", "ends"),
    [
        (NA, utc(2026, 3, 7, 12), utc(2026, 3, 8, 4, 43), utc(2026, 3, 8, 6, 45)),
        (NA, utc(2026, 3, 8, 12), utc(2026, 3, 9, 3, 43), utc(2026, 3, 9, 5, 45)),
        (Region.EUROPE, utc(2026, 3, 28, 12), utc(2026, 3, 29, 4, 23), utc(2026, 3, 29, 5, 45)),
        (Region.EUROPE, utc(2026, 3, 26, 12), utc(2026, 3, 27, 5, 23), utc(2026, 3, 27, 6, 45)),
        (Region.EUROPE, utc(2026, 10, 24, 12), utc(2026, 10, 25, 5, 23), utc(2026, 10, 25, 6, 45)),
        (Region.ASIA, utc(2026, 3, 28, 18), utc(2026, 3, 28, 20, 43), utc(2026, 3, 28, 22, 5)),
        (Region.ASIA, utc(2026, 3, 29, 3), utc(2026, 3, 29, 12, 13), utc(2026, 3, 29, 13, 15)),
    ],
)
def test_a_night_is_walked_by_the_clock_of_its_place(
    region: Region, on: datetime, closes: datetime, ends: datetime
) -> None:
    """From the evening on: the gate, the window two minutes later, what waits through it, and the moment it is over."""
    moment, second = on, timedelta(seconds=1)
    while DEFAULT.closed_at(moment, region) is None:
        moment += timedelta(minutes=1)
    night = DEFAULT.closed_at(moment, region)
    assert night is not None
    assert (night.closes, night.begins, night.ends) == (closes, closes + timedelta(minutes=2), ends)
    assert DEFAULT.closed_at(closes - second, region) is None
    assert DEFAULT.away_at(night.begins - second, region) is None
    assert DEFAULT.away_at(night.begins, region) == night
    assert DEFAULT.deadline(closes - second, closes + second, region) == ends + AFTERWARDS
    assert DEFAULT.closed_at(ends, region) is None
    assert DEFAULT.last_end(ends, region) == ends
