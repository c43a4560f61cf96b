"""When positions are closed by the clock: before the close of US shares, half days included, or at a time of day. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from brokers.rulebook.calendars import ONE_DAY, Calendar

# No close begins later than this behind its time: who is away for longer is told, and nothing is sent by itself.
LATE = timedelta(minutes=15)
# The longest pause of US shares, and a week of days that are not chosen.
_DAYS_AHEAD = 21
MOST_MINUTES = 360
WEEK = frozenset(range(5))


class Due(NamedTuple):
    """A close by the clock: the day that it is of, when it begins, and until when it may begin."""

    day: date
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """On which weekdays (Monday is 0), and when: `minutes_before_close` of US shares, or `at` a time in a `zone`."""

    days: frozenset[int] = WEEK
    minutes_before_close: int | None = None
    at: time | None = None
    zone: str = ""

    def on(self, day: date, calendar: Calendar) -> Due | None:
        """The close of a day; None on one that is not chosen, and before the close of a day without one."""
        if day.weekday() not in self.days:
            return None
        if self.minutes_before_close is None:
            assert self.at is not None, "it is by one or the other"
            begins = datetime.combine(day, self.at, ZoneInfo(self.zone))
            return Due(day, begins, begins + LATE)
        close = calendar.regular_close(day)
        return None if close is None else Due(day, close - timedelta(minutes=self.minutes_before_close), close)

    def around(self, now: datetime, calendar: Calendar, *, back: int = 2, ahead: int = 2) -> Iterator[Due]:
        """The closes of the days around a moment, the first one first."""
        today = now.astimezone(calendar.zone if self.at is None else ZoneInfo(self.zone)).date()
        for offset in range(-back, ahead + 1):
            if (due := self.on(today + offset * ONE_DAY, calendar)) is not None:
                yield due

    def now_due(self, now: datetime, calendar: Calendar) -> Due | None:
        """The close that is to begin now."""
        return next((due for due in self.around(now, calendar) if due.at <= now < due.until), None)

    def missed(self, since: datetime, now: datetime, calendar: Calendar) -> list[Due]:
        """Those of the last day that came since the schedule was set, and whose time is over."""
        return [due for due in self.around(now, calendar) if max(since, now - ONE_DAY) <= due.at and due.until <= now]

    def next_after(self, now: datetime, calendar: Calendar) -> Due | None:
        """The next one; None where none comes within three weeks."""
        return next((due for due in self.around(now, calendar, ahead=_DAYS_AHEAD) if due.at > now), None)
