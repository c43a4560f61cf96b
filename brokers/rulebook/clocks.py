"""Market clocks: what a market does at a moment, when that changes, and why it is closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from brokers.domain.notices import Hours
from brokers.domain.trading_hours import Market, TradingHours
from brokers.rulebook.calendars import ONE_DAY, Calendar

_DAYS_AHEAD = 11
_DAYS_BACK = 7
_SATURDAY = 5


class Pause(StrEnum):
    """Why a market is closed, or what is unlike a usual day."""

    NONE = ""
    HALF_DAY = "half day"
    NIGHT = "night"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    BEFORE = "before the opening"
    AFTER = "after the close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What a market does at a moment. `changes_at`: an open market closes then, any other opens for regular trading; None
    where nobody says. `wider_until`: when trading outside regular hours ends, while it goes on. `turns_at`: the next moment at
    which the clock says something else."""

    name: str
    zone: str
    market: Market
    pause: Pause = Pause.NONE
    changes_at: datetime | None = None
    wider_until: datetime | None = None
    turns_at: datetime | None = None


def session_at(calendar: Calendar, now: datetime, *, every: bool = False) -> Hours | None:
    """The session that is open, or the next one; what touches, as over a midnight, is one. `every`: not only regular ones."""
    return next((each for each in _sessions(calendar, now, every=every) if each.closes > now), None)


def clock_of(name: str, calendar: Calendar, now: datetime, *, every: bool = False) -> Clock:
    """The clock of an exchange's calendar. `every`: each of its sessions counts as regular, as those of futures do."""
    session = session_at(calendar, now, every=every)
    clock = Clock(name=name, zone=calendar.zone.key, market=Market.CLOSED)
    if session is None:
        return clock
    if session.opens <= now:
        ends_early = calendar.local(session.closes - timedelta(seconds=1)).date() in calendar.early_closes
        pause, ends = Pause.HALF_DAY if ends_early else Pause.NONE, session.closes
        return replace(clock, market=Market.OPEN, pause=pause, changes_at=ends, turns_at=ends)
    wider = session_at(calendar, now, every=True) or session
    if wider.opens > now:
        why = _why_closed(calendar, now, session.opens, every=every)
        return replace(clock, pause=why, changes_at=session.opens, turns_at=min(wider.opens, session.opens))
    clock = replace(clock, market=Market.EXTENDED, changes_at=session.opens)
    if wider.closes > session.opens:
        return replace(clock, pause=Pause.BEFORE, turns_at=session.opens)
    return replace(clock, pause=Pause.AFTER, wider_until=wider.closes, turns_at=wider.closes)


def clock_of_hours(name: str, hours: TradingHours, now: datetime) -> Clock | None:
    """The clock of what IBKR lists for one contract; None where it says nothing of this moment."""
    market = hours.market(now)
    if market is None:
        return None
    changes = hours.closes_after(now) if market is Market.OPEN else hours.opens_after(now)
    wider = hours.closes_after(now, extended=True) if market is Market.EXTENDED else None
    starts = hours.opens_after(now, extended=True) if market is Market.CLOSED else None
    return Clock(
        name=name,
        zone=hours.zone or "UTC",
        market=market,
        changes_at=changes,
        wider_until=wider,
        turns_at=min((each for each in (changes, wider, starts) if each is not None), default=None),
    )


def _sessions(calendar: Calendar, now: datetime, *, every: bool) -> Iterator[Hours]:
    """The sessions of the days around a moment, soonest first."""
    opens = closes = None
    for day in _days(calendar.local(now).date() - timedelta(days=_DAYS_BACK), _DAYS_BACK + _DAYS_AHEAD):
        for segment in calendar.segments(day):
            if not (segment.regular or every):
                continue
            begins, ends = calendar.instant(day, segment.start), calendar.instant(day, segment.end)
            if opens is not None and closes is not None and begins > closes:
                yield Hours(opens, closes)
                opens = begins
            opens, closes = opens or begins, ends
    if opens is not None and closes is not None:
        yield Hours(opens, closes)


def _days(first: date, count: int) -> Iterator[date]:
    return (first + timedelta(days=each) for each in range(count))


def _why_closed(calendar: Calendar, now: datetime, opens: datetime, *, every: bool) -> Pause:
    """A holiday that falls between now and the next opening says more than the weekend around it."""
    day, last = calendar.local(now).date(), calendar.local(opens).date()
    usual = calendar.with_days(holidays=frozenset(), early_closes={})
    while day <= last:
        if day in calendar.holidays and usual.segments(day):
            return Pause.HOLIDAY
        day += ONE_DAY
    is_weekend = opens - now > ONE_DAY or calendar.local(now).weekday() >= _SATURDAY
    if is_weekend or (every and calendar.local(now).weekday() == _SATURDAY - 1):
        return Pause.WEEKEND
    return Pause.NIGHT
