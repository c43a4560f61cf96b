"""When trading begins next by the calendars of exchanges, and where none is known."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from brokers.rulebook.calendars import us_shares
from brokers.rulebook.products.exchanges import begins_after, calendar_of, likely_open_after


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("contract", "moment", "begins"),
    [
        # A Friday's close, the moment of an open itself, a holiday, and the day in London that is a night in New York.
        (("stock", "AAPL", "USD", ""), "2026-12-04T21:00", "2026-12-07T14:30"),
        (("stock", "AAPL", "USD", ""), "2026-12-07T14:30", "2026-12-08T14:30"),
        (("stock", "AAPL", "USD", ""), "2026-11-25T21:00", "2026-11-27T14:30"),
        (("stock", "AAPL", "USD", ""), "2026-07-02T13:29", "2026-07-02T13:30"),
        # Pairs trade from Sunday on without a pause; their days begin at five in New York.
        (("forex", "EURUSD", "USD", ""), "2026-12-04T22:00", "2026-12-06T22:00"),
        (("forex", "EURUSD", "USD", ""), "2026-12-08T15:00", "2026-12-08T22:00"),
        (("forex", "EURUSD", "USD", ""), "2026-12-08T22:00", "2026-12-09T22:00"),
        (("cfd", "XAUUSD", "USD", ""), "2026-12-04T22:00", "2026-12-06T22:00"),
        (("option", "SPY 18 Dec 2026 640 C", "USD", ""), "2026-12-04T21:00", "2026-12-07T14:30"),
    ],
)
def test_trading_begins(contract: tuple[str, str, str, str], moment: str, begins: str) -> None:
    calendar = calendar_of(*contract)
    assert calendar is not None
    assert begins_after(calendar, at(moment)) == at(begins)


@pytest.mark.parametrize(
    ("contract", "moment", "begins"),
    [
        (("stock", "AAPL", "USD", ""), "2026-12-05T01:00", "2026-12-07T09:00"),
        (("stock", "AAPL", "USD", ""), "2026-12-07T09:00", "2026-12-08T09:00"),
        # Futures pause for an hour, at the end of their day.
        (("future", "ESZ2026", "USD", "CME"), "2026-12-04T22:00", "2026-12-06T23:00"),
        (("future", "ESZ2026", "USD", "CME"), "2026-12-08T15:00", "2026-12-08T23:00"),
    ],
)
def test_outside_of_regular_hours_it_begins_earlier(
    contract: tuple[str, str, str, str], moment: str, begins: str
) -> None:
    calendar = calendar_of(*contract)
    assert calendar is not None
    assert begins_after(calendar, at(moment), extended=True) == at(begins)


def test_of_other_exchanges_no_calendar_is_known() -> None:
    assert calendar_of("stock", "XETR:SAP", "EUR", "IBIS") is None
    assert calendar_of("future", "FDAX", "EUR", "EUREX") is None


@pytest.mark.parametrize(
    ("zone", "moment", "opens"),
    [
        ("Europe/Berlin", "2026-12-04T16:30", "2026-12-07T08:30"),
        ("Asia/Tokyo", "2026-12-04T06:00", "2026-12-07T00:30"),
        ("America/Toronto", "2026-12-07T14:29", "2026-12-07T14:30"),
        ("America/Toronto", "2026-12-07T14:30", "2026-12-08T14:30"),
    ],
)
def test_without_one_it_is_the_next_weekdays_morning_there(zone: str, moment: str, opens: str) -> None:
    assert likely_open_after(at(moment), zone) == at(opens)


def test_shares_open_each_day_at_the_same_hour_of_new_york() -> None:
    """Over a year what begins is what the calendar itself calls the open."""
    moment = at("2026-01-01T00:00")
    for _ in range(250):
        begins = begins_after(us_shares(), moment)
        assert begins == us_shares().open_after(moment)
        moment = begins
