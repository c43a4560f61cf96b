"""When positions are closed by the clock: half days, holidays, days of daylight saving, and what came too late."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.rulebook.calendars import us_shares
from strategies.domain.clockwork import LATE, Schedule

DAYS = us_shares()
BEFORE = Schedule(minutes_before_close=15)


def at_new_york(hour: int, minute: int = 0, **on: object) -> Schedule:
    return Schedule(at=time(hour, minute), zone="America/New_York", **on)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("day", "begins"),
    [
        # A usual Tuesday, the half day behind Thanksgiving, Thanksgiving, and the day before Christmas.
        (date(2026, 12, 1), datetime(2026, 12, 1, 20, 45, tzinfo=UTC)),
        (date(2026, 11, 27), datetime(2026, 11, 27, 17, 45, tzinfo=UTC)),
        (date(2026, 11, 26), None),
        (date(2026, 12, 24), datetime(2026, 12, 24, 17, 45, tzinfo=UTC)),
        # A Saturday; and summer time.
        (date(2026, 12, 5), None),
        (date(2026, 7, 1), datetime(2026, 7, 1, 19, 45, tzinfo=UTC)),
    ],
)
def test_it_is_before_the_close_of_that_day(day: date, begins: datetime | None) -> None:
    due = BEFORE.on(day, DAYS)
    assert (None if due is None else due.at) == begins


def test_a_time_of_day_is_by_its_zone_over_the_change_of_clocks() -> None:
    schedule = at_new_york(15, 50)
    found = [schedule.on(day, DAYS) for day in (date(2026, 10, 30), date(2026, 11, 2))]
    assert [due and due.at.astimezone(UTC).hour for due in found] == [19, 20]


def test_of_a_friday_alone_there_is_none_on_other_days() -> None:
    schedule = Schedule(minutes_before_close=5, days=frozenset({4}))
    assert schedule.on(date(2026, 12, 3), DAYS) is None
    due = schedule.next_after(datetime(2026, 12, 1, 15, tzinfo=UTC), DAYS)
    assert due is not None
    assert due.day == date(2026, 12, 4)


def test_over_the_years_end_the_next_one_is_of_the_next_day_of_trading() -> None:
    due = BEFORE.next_after(datetime(2026, 12, 31, 21, tzinfo=UTC), DAYS)
    assert due is not None
    assert due.day == date(2027, 1, 4)


@pytest.mark.parametrize(
    ("late", "begins", "is_missed"),
    [
        (timedelta(seconds=-1), False, False),
        (timedelta(0), True, False),
        (timedelta(minutes=14, seconds=59), True, False),
        (LATE, False, True),
        (timedelta(hours=23), False, True),
        (timedelta(days=1, seconds=1), False, False),
    ],
)
def test_who_comes_late_closes_nothing_and_says_so(late: timedelta, begins: bool, is_missed: bool) -> None:
    schedule = at_new_york(12, days=frozenset({1}))
    at = datetime(2026, 12, 1, 17, tzinfo=UTC)
    assert (schedule.now_due(at + late, DAYS) is not None) is begins
    assert bool(schedule.missed(at - timedelta(days=7), at + late, DAYS)) is is_missed
    # What came before it was set was nobody's wish.
    assert not schedule.missed(at + timedelta(seconds=1), at + late, DAYS)


def test_before_the_close_nothing_begins_behind_it() -> None:
    close = datetime(2026, 12, 1, 21, tzinfo=UTC)
    assert BEFORE.now_due(close - timedelta(seconds=1), DAYS) is not None
    assert BEFORE.now_due(close, DAYS) is None


@given(
    now=st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2026, 12, 1), timezones=st.just(UTC)),
    minutes=st.integers(1, 360),
    days=st.frozensets(st.integers(0, 6), min_size=1),
)
def test_the_next_one_comes_on_a_chosen_day_before_its_close_and_is_due_then(
    now: datetime, minutes: int, days: frozenset[int]
) -> None:
    schedule = Schedule(minutes_before_close=minutes, days=days)
    due = schedule.next_after(now, DAYS)
    if due is None:
        assert days <= {5, 6}
        return
    assert due.at > now
    assert due.day.weekday() in days
    assert due.until - due.at == timedelta(minutes=minutes)
    assert schedule.now_due(due.at, DAYS) == due
    assert schedule.now_due(due.at - timedelta(seconds=1), DAYS) != due
