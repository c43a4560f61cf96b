"""What the clock of a market says: on usual days, half days, holidays, around clock changes and at the year's end."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.trading_hours import Market, TradingHours
from brokers.rulebook.calendars import Calendar, cme_futures, currencies, us_cfds, us_shares
from brokers.rulebook.clocks import Clock, Pause, clock_of, clock_of_hours

NEW_YORK = ZoneInfo("America/New_York")


def shares(*at: int) -> Clock:
    return clock_of("US shares", us_shares(), datetime(*at, tzinfo=NEW_YORK))  # type: ignore[misc,arg-type]


def futures(*at: int) -> Clock:
    calendar = cme_futures()
    assert calendar is not None
    return clock_of("Futures", calendar, datetime(*at, tzinfo=NEW_YORK), every=True)  # type: ignore[misc,arg-type]


def in_new_york(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(NEW_YORK):%a %m-%d %H:%M}"


@pytest.mark.parametrize(
    ("at", "market", "pause", "changes"),
    [
        ((2026, 11, 24, 9, 29, 59), Market.EXTENDED, Pause.BEFORE, "Tue 11-24 09:30"),
        ((2026, 11, 24, 9, 30), Market.OPEN, Pause.NONE, "Tue 11-24 16:00"),
        ((2026, 11, 24, 15, 59, 59), Market.OPEN, Pause.NONE, "Tue 11-24 16:00"),
        ((2026, 11, 24, 16, 0), Market.EXTENDED, Pause.AFTER, "Wed 11-25 09:30"),
        ((2026, 11, 24, 20, 0), Market.CLOSED, Pause.NIGHT, "Wed 11-25 09:30"),
        ((2026, 11, 25, 3, 59), Market.CLOSED, Pause.NIGHT, "Wed 11-25 09:30"),
        # Thanksgiving, and the half day behind it.
        ((2026, 11, 25, 21, 0), Market.CLOSED, Pause.HOLIDAY, "Fri 11-27 09:30"),
        ((2026, 11, 26, 12, 0), Market.CLOSED, Pause.HOLIDAY, "Fri 11-27 09:30"),
        ((2026, 11, 27, 12, 59), Market.OPEN, Pause.HALF_DAY, "Fri 11-27 13:00"),
        ((2026, 11, 27, 21, 0), Market.CLOSED, Pause.WEEKEND, "Mon 11-30 09:30"),
        ((2026, 11, 29, 23, 59), Market.CLOSED, Pause.WEEKEND, "Mon 11-30 09:30"),
        ((2026, 11, 30, 2, 0), Market.CLOSED, Pause.NIGHT, "Mon 11-30 09:30"),
        # The clocks change on both of these weekends.
        ((2026, 3, 7, 12, 0), Market.CLOSED, Pause.WEEKEND, "Mon 03-09 09:30"),
        ((2026, 10, 31, 12, 0), Market.CLOSED, Pause.WEEKEND, "Mon 11-02 09:30"),
        # New Year is a Friday.
        ((2026, 12, 31, 20, 30), Market.CLOSED, Pause.HOLIDAY, "Mon 01-04 09:30"),
    ],
)
def test_shares(at: tuple[int, ...], market: Market, pause: Pause, changes: str) -> None:
    clock = shares(*at)
    assert (clock.market, clock.pause, in_new_york(clock.changes_at)) == (market, pause, changes)


@pytest.mark.parametrize(
    ("at", "market", "pause", "changes"),
    [
        ((2026, 11, 24, 3, 0), Market.OPEN, Pause.NONE, "Tue 11-24 17:00"),
        ((2026, 11, 24, 17, 30), Market.CLOSED, Pause.NIGHT, "Tue 11-24 18:00"),
        ((2026, 11, 20, 17, 30), Market.CLOSED, Pause.WEEKEND, "Sun 11-22 18:00"),
        ((2026, 11, 22, 17, 59), Market.CLOSED, Pause.WEEKEND, "Sun 11-22 18:00"),
        # Thanksgiving ends early, and its evening is the next day's.
        ((2026, 11, 26, 12, 0), Market.OPEN, Pause.HALF_DAY, "Thu 11-26 13:00"),
        ((2026, 11, 26, 19, 0), Market.OPEN, Pause.HALF_DAY, "Fri 11-27 13:15"),
        ((2026, 12, 25, 12, 0), Market.CLOSED, Pause.HOLIDAY, "Sun 12-27 18:00"),
    ],
)
def test_futures(at: tuple[int, ...], market: Market, pause: Pause, changes: str) -> None:
    clock = futures(*at)
    assert (clock.market, clock.pause, in_new_york(clock.changes_at)) == (market, pause, changes)


def test_trading_outside_regular_hours_says_when_it_ends() -> None:
    after = shares(2026, 11, 24, 16, 30)
    assert in_new_york(after.wider_until) == "Tue 11-24 20:00"
    assert after.turns_at == after.wider_until
    before = shares(2026, 11, 24, 8, 0)
    assert (before.wider_until, before.turns_at) == (None, before.changes_at)


CALENDARS: list[tuple[Calendar, bool]] = [
    (us_shares(), False),
    (cme_futures() or us_shares(), True),
    (currencies(), True),
    (us_cfds(), False),
]


@given(
    which=st.sampled_from(CALENDARS),
    at=st.datetimes(datetime(2025, 1, 2), datetime(2027, 12, 1), timezones=st.just(UTC)),
)
def test_a_clock_says_what_the_calendar_says_until_it_turns(which: tuple[Calendar, bool], at: datetime) -> None:
    calendar, every = which
    clock = clock_of("", calendar, at, every=every)
    assert (clock.market is Market.OPEN) == calendar.is_open(at, extended=every)
    assert clock.turns_at is not None
    assert clock.turns_at > at
    moment = clock.turns_at - timedelta(seconds=1)
    assert clock_of("", calendar, max(moment, at), every=every).market is clock.market
    after = clock_of("", calendar, clock.turns_at, every=every)
    assert after.market is not clock.market


ABROAD = TradingHours(
    regular=((1_764_575_000, 1_764_605_600), (1_764_661_400, 1_764_692_000)),
    extended=((1_764_571_400, 1_764_610_000), (1_764_661_400, 1_764_692_000)),
    zone="Europe/Berlin",
)


@pytest.mark.parametrize(
    ("second", "market", "changes", "wider"),
    [
        (1_764_580_000, Market.OPEN, 1_764_605_600, None),
        (1_764_572_000, Market.EXTENDED, 1_764_575_000, 1_764_610_000),
        (1_764_606_000, Market.EXTENDED, 1_764_661_400, 1_764_610_000),
        (1_764_620_000, Market.CLOSED, 1_764_661_400, None),
    ],
)
def test_exchanges_abroad_go_by_what_ibkr_lists(second: int, market: Market, changes: int, wider: int | None) -> None:
    clock = clock_of_hours("Xetra", ABROAD, datetime.fromtimestamp(second, UTC))
    assert clock is not None
    assert clock.market is market
    assert clock.changes_at == datetime.fromtimestamp(changes, UTC)
    assert clock.wider_until == (None if wider is None else datetime.fromtimestamp(wider, UTC))


def test_what_nobody_lists_has_no_clock() -> None:
    assert clock_of_hours("Xetra", TradingHours(), datetime(2026, 11, 24, tzinfo=UTC)) is None
    assert clock_of_hours("Xetra", ABROAD, datetime(2026, 11, 24, tzinfo=UTC)) is None
