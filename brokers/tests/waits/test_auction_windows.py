"""Orders for an auction leave in the venue's window, or are refused with it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from brokers.domain.contracts import auctions
from brokers.domain.orders import TimeInForce

NEW_YORK = "America/New_York"


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A moment of November 2026 in UTC; New York is five hours behind."""
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


# Monday the 23rd to Friday the 27th, of which Thursday has no session and Friday ends at one.
DAYS = ((23, 14, 30, 21), (24, 14, 30, 21), (25, 14, 30, 21), (27, 14, 30, 18))
SESSIONS = tuple(
    (int(at(day, opens, minute).timestamp()), int(at(day, closes).timestamp())) for day, opens, minute, closes in DAYS
)


@pytest.mark.parametrize(
    ("now", "taken"),
    [
        (at(23, 16), False),
        (at(23, 21, 0, 5), False),
        (at(23, 21, 4, 59), False),
        (at(23, 21, 5), True),
        (at(24, 14, 27, 59), True),
        (at(24, 14, 28), False),
        (at(24, 14, 31), False),
        (at(26, 16), True),
    ],
)
def test_on_open(now: datetime, taken: bool) -> None:
    assert (auctions.denial(TimeInForce.OPG, SESSIONS, NEW_YORK, now) is None) is taken


@pytest.mark.parametrize(
    ("now", "taken"),
    [
        (at(23, 20, 44, 29), True),
        (at(23, 20, 44, 30), False),
        (at(23, 21), True),
        (at(27, 17, 44), True),
        (at(27, 17, 50), False),
    ],
)
def test_on_close(now: datetime, taken: bool) -> None:
    assert (auctions.denial(TimeInForce.CLS, SESSIONS, NEW_YORK, now) is None) is taken


def test_the_refusal_names_the_window_in_the_exchanges_time() -> None:
    early = auctions.denial(TimeInForce.OPG, SESSIONS, NEW_YORK, at(25, 21, 0, 5))
    late = auctions.denial(TimeInForce.CLS, SESSIONS, "", at(23, 20, 50))
    assert early is not None
    assert late is not None
    window = "from Wednesday 16:05 New York time to Friday 09:28 New York time"
    assert (early.code, window in early.sentence) == ("on-open-outside-window", True)
    assert (late.code, "by Monday 20:44 UTC" in late.sentence) == ("on-close-too-late", True)


@pytest.mark.parametrize("tif", [TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC])
def test_other_orders_have_no_window(tif: TimeInForce) -> None:
    assert auctions.denial(tif, SESSIONS, NEW_YORK, at(23, 21, 0, 5)) is None


def test_what_is_not_listed_rules_nothing_out() -> None:
    assert auctions.denial(TimeInForce.OPG, SESSIONS[:1], NEW_YORK, at(23, 21, 0, 5)) is None
    assert auctions.denial(TimeInForce.CLS, (), NEW_YORK, at(23, 21)) is None
