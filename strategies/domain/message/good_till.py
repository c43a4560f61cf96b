"""Until when an order works that is good till a date: what a signal may say of it, and the moment that it means."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import NamedTuple

from brokers.domain.contracts.lifetimes import MOST_DAYS

# The zones in which a day ends last and first.
_LAST, _FIRST = timezone(-timedelta(hours=12)), timezone(timedelta(hours=14))


def moment_in_utc(at: datetime) -> str:
    """A moment in a sentence: "2026-12-04 21:00 UTC"."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def is_day(text: str) -> bool:
    """Whether it is a day alone, "2026-12-04"."""
    return "T" not in text


def moment_of(text: str, zone: tzinfo) -> datetime:
    """The moment in UTC that a reading's text means: without an offset by `zone`, and a day alone its end there."""
    if is_day(text):
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), zone).astimezone(UTC)
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


class Problem(NamedTuple):
    """Why an order cannot be good till a moment: a stable code and a sentence."""

    code: str
    sentence: str


def problem(at: datetime, now: datetime) -> Problem | None:
    """Why an order cannot be good till that moment; None where it can."""
    return _passed(at, now) or _too_far(at, now)


def problem_anywhere(text: str, now: datetime) -> Problem | None:
    """The same before its zone is known: only what is wrong in every zone."""
    return _passed(moment_of(text, _LAST), now) or _too_far(moment_of(text, _FIRST), now)


def _passed(at: datetime, now: datetime) -> Problem | None:
    if at > now:
        return None
    sentence = f"The order was to be good till {moment_in_utc(at)}, which has passed. Send a later goodTillDate."
    return Problem("good-till-date-passed", sentence)


def _too_far(at: datetime, now: datetime) -> Problem | None:
    if at <= now + timedelta(days=MOST_DAYS):
        return None
    return Problem(
        "good-till-date-too-far",
        f"The order would be good till {moment_in_utc(at)}, more than {MOST_DAYS} days ahead, and IBKR may end it before. Send "
        'an earlier goodTillDate, or "timeInForce": "gtc".',
    )
