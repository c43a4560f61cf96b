"""Holidays and half days of every market: what is closed, what ends early, and what opens again in the evening."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from brokers.rulebook.calendars import (
    Calendar,
    cme_futures,
    currencies,
    spx_options,
    us_cfds,
    us_options,
    us_shares,
)

NEW_YORK = ZoneInfo("America/New_York")


def is_open(calendar: Calendar | None, moment: str) -> bool:
    assert calendar is not None
    return calendar.is_open(datetime.fromisoformat(moment).replace(tzinfo=NEW_YORK), extended=True)


@pytest.mark.parametrize(
    ("moment", "equities", "metals"),
    [
        # Thanksgiving is a half day that goes on in the evening; so is the day after it, before a weekend.
        ("2026-11-26T12:59", True, True),
        ("2026-11-26T13:00", False, True),
        ("2026-11-26T14:30", False, False),
        ("2026-11-26T18:00", True, True),
        ("2026-11-27T13:14", True, True),
        ("2026-11-27T13:15", False, True),
        ("2026-11-27T13:45", False, False),
        ("2026-11-27T18:30", False, False),
        ("2026-11-29T18:00", True, True),
        # Christmas: closed from the eve on, in 2025 until the evening of the day itself, in 2026 over the weekend.
        ("2025-12-24T13:10", True, True),
        ("2025-12-24T18:30", False, False),
        ("2025-12-25T10:00", False, False),
        ("2025-12-25T18:00", True, True),
        ("2026-12-24T18:30", False, False),
        ("2026-12-25T10:00", False, False),
        ("2026-12-25T18:30", False, False),
        ("2026-12-27T18:00", True, True),
        # New Year, and one that falls on a weekend.
        ("2025-12-31T16:00", True, True),
        ("2025-12-31T18:30", False, False),
        ("2026-01-01T12:00", False, False),
        ("2026-01-01T18:00", True, True),
        ("2027-12-23T18:30", False, False),
        ("2027-12-24T11:00", False, False),
        ("2027-12-31T11:00", True, True),
        # Good Friday, with and without a report in the morning.
        ("2025-04-17T18:30", False, False),
        ("2025-04-18T11:00", False, False),
        ("2026-04-03T09:00", True, False),
        ("2026-04-03T09:15", False, False),
        ("2027-03-26T09:00", False, False),
        # A Monday holiday: open in the evening before and after.
        ("2027-01-17T18:30", True, True),
        ("2027-01-18T12:00", True, True),
        ("2027-01-18T15:00", False, False),
        ("2027-01-18T18:00", True, True),
        # A day like any other.
        ("2026-11-25T17:30", False, False),
        ("2026-11-25T18:00", True, True),
    ],
)
def test_futures_keep_the_holidays_and_half_days_of_their_exchange(moment: str, equities: bool, metals: bool) -> None:
    assert is_open(cme_futures("CME"), moment) is equities
    assert is_open(cme_futures("COMEX"), moment) is metals


def test_an_exchange_whose_days_are_not_known_has_no_calendar() -> None:
    assert cme_futures("EUREX") is None
    assert cme_futures("") is None


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-12-24T16:59", True),
        ("2026-12-24T17:00", False),
        ("2026-12-25T16:00", False),
        ("2025-12-25T17:00", True),
        ("2025-12-31T17:00", False),
        ("2026-01-01T17:00", True),
        ("2026-11-26T12:00", True),
    ],
)
def test_currencies_pause_at_christmas_and_new_year(moment: str, expected: bool) -> None:
    assert is_open(currencies(), moment) is expected


@pytest.mark.parametrize("calendar", [us_shares(), us_options(), spx_options(), us_cfds()])
def test_what_goes_by_shares_keeps_their_days(calendar: Calendar) -> None:
    for closed in ("2026-11-26T11:00", "2026-12-25T11:00", "2027-01-01T11:00", "2026-11-27T13:30"):
        assert not calendar.is_open(datetime.fromisoformat(closed).replace(tzinfo=NEW_YORK))
    assert calendar.is_open(datetime.fromisoformat("2026-11-27T12:30").replace(tzinfo=NEW_YORK))
