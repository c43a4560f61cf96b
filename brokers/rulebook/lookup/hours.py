"""Trading hours as a person looks them up, in the exchange's own time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from brokers.rulebook.calendars import (
    Calendar,
    Segment,
    cme_futures,
    currencies,
    spx_options,
    us_cfds,
    us_options,
    us_shares,
)
from brokers.rulebook.lookup.wording import clock
from brokers.rulebook.words import AssetClass

# What people ask for, and the calendar that has its sessions and days.
MARKETS: tuple[tuple[str, str, Calendar | None], ...] = (
    ("US shares", AssetClass.EQUITY, us_shares()),
    ("US options", AssetClass.OPTION, us_options()),
    ("SPX options", AssetClass.INDEX_OPTION, spx_options()),
    ("ES futures", AssetClass.FUTURE, cme_futures()),
    ("Currencies", AssetClass.FOREX, currencies()),
    ("CFDs", AssetClass.CFD, us_cfds()),
)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHOWN_DAYS = 3
AHEAD = timedelta(days=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialDay:
    """A day without sessions, or one that ends early."""

    day: date
    closes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursRow:
    """`state` is "open", "extended" or "closed" at the moment asked about."""

    asset_class: str
    market: str
    zone: str
    local: str
    state: str
    regular: tuple[str, ...]
    extended: tuple[str, ...]
    special: tuple[SpecialDay, ...]
    # Some markets of the table come without their holidays; an empty list of days would be a false promise.
    knows_holidays: bool


def hours(now: datetime) -> tuple[HoursRow, ...]:
    """The markets that people ask for, each with its state at `now`."""
    return tuple(_row(now, market, kind, calendar) for market, kind, calendar in MARKETS if calendar is not None)


def _row(now: datetime, market: str, asset_class: str, calendar: Calendar) -> HoursRow:
    state = "open" if calendar.is_open(now) else "extended" if calendar.is_open(now, extended=True) else "closed"
    return HoursRow(
        asset_class=asset_class,
        market=market,
        zone=calendar.zone.key.partition("/")[2].replace("_", " "),
        local=f"{calendar.local(now):%a %H:%M}",
        state=state,
        regular=_week(calendar, lambda segment: segment.regular),
        extended=_week(calendar, lambda segment: not segment.regular),
        special=_special(calendar, calendar.local(now).date()),
        knows_holidays=bool(calendar.holidays or calendar.early_closes),
    )


def _week(calendar: Calendar, is_shown: Callable[[Segment], bool]) -> tuple[str, ...]:
    """Days of the same hours together: "Mon to Fri 09:30-16:00"."""
    spans = [
        ", ".join(f"{clock(each.start)}-{clock(each.end)}" for each in day if is_shown(each)) for day in calendar.week
    ]
    lines: list[tuple[int, int, str]] = []
    for day, span in enumerate(spans):
        if lines and lines[-1][1] == day - 1 and lines[-1][2] == span:
            lines[-1] = (lines[-1][0], day, span)
        elif span:
            lines.append((day, day, span))
    return tuple(f"{_days(first, last)} {span}" for first, last, span in lines)


def _days(first: int, last: int) -> str:
    return WEEKDAYS[first] if first == last else f"{WEEKDAYS[first]} to {WEEKDAYS[last]}"


def _special(calendar: Calendar, today: date) -> tuple[SpecialDay, ...]:
    closed = [SpecialDay(day=day) for day in calendar.holidays]
    early = [SpecialDay(day=day, closes=f"{at:%H:%M}") for day, at in calendar.early_closes.items()]
    coming = (each for each in [*closed, *early] if today <= each.day <= today + AHEAD)
    return tuple(sorted(coming, key=lambda each: each.day)[:SHOWN_DAYS])
