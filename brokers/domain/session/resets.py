"""The hours in which IBKR restarts its servers, and when nothing leaves for it because of them. Pure."""

from __future__ import annotations

import re
from calendar import day_name
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from brokers.domain.sessions import Region

NIGHTLY = "nightly-restart"
WEEKEND = "weekend-maintenance"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKEND_NAME = "WEEKEND"
# How long before a window nothing leaves any more: what IBKR gets in the second of its restart is lost.
GATE = timedelta(minutes=2)
# How long a way out that waited through a night may at least take to leave afterwards: somebody may have to sign in.
AFTERWARDS = timedelta(minutes=10)
_ONE_DAY = timedelta(days=1)
# A window may be a day long, and may begin on the evening before.
_DAYS_AROUND = (-2, -1, 0, 1)
_WRITTEN = re.compile(
    r"(?P<name>[A-Za-z]+)=(?:(?P<day>[A-Za-z]{3})\s+)?(?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)\s+(?P<zone>[A-Za-z_/+-]+)\Z"
)


class WindowRefused(ValueError):
    """What was written is no window; the message says why."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time from `begins` to just before `ends`, in UTC."""

    begins: datetime
    ends: datetime
    code: str

    def holds(self, now: datetime) -> bool:
        return self.begins <= now < self.ends


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of a night by the wall clock of a place; it may cross midnight. On `weekday` only, where one is named."""

    opens: time
    closes: time
    zone: str
    code: str = NIGHTLY
    weekday: int | None = None

    def __str__(self) -> str:
        place = self.zone.rpartition("/")[2].replace("_", " ")
        day = "" if self.weekday is None else f"{day_name[self.weekday]} "
        return f"{day}{self.opens:%H:%M} to {self.closes:%H:%M} in {place}"

    def on(self, day: date) -> Span | None:
        """The window that begins on a day, in UTC; None where it does not.

        Where the clocks are put back an hour exists twice, and where they are put forward one is missing: the window is
        then the longer of what it may be.
        """
        if self.weekday not in {None, day.weekday()}:
            return None
        last = day + _ONE_DAY if self.closes <= self.opens else day
        begins, ends = self._readings(day, self.opens), self._readings(last, self.closes)
        return Span(min(begins), max(ends), self.code)

    def _readings(self, day: date, at: time) -> list[datetime]:
        zone = ZoneInfo(self.zone)
        return [datetime.combine(day, at.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1)]

    def spans(self, now: datetime) -> Iterator[Span]:
        """The windows around a moment, in the order of time."""
        today = now.astimezone(ZoneInfo(self.zone)).date()
        yield from _spans_around(self, today)


@lru_cache(maxsize=256)
def _spans_around(window: Window, today: date) -> tuple[Span, ...]:
    days = (window.on(today + timedelta(days=days)) for days in _DAYS_AROUND)
    return tuple(span for span in days if span is not None)


@dataclass(frozen=True, slots=True)
class Night:
    """A night's restart and the minutes before it: the gate closes at `closes`, IBKR is away from `begins` to `ends`."""

    closes: datetime
    begins: datetime
    ends: datetime
    code: str

    def is_away(self, now: datetime) -> bool:
        """Whether the window itself has begun, not only the minutes before it."""
        return self.begins <= now < self.ends


# IBKR's sources disagree about the nightly reset; these are the widest hours any of them names.
_BY_DEFAULT: Mapping[Region, Sequence[Window]] = {
    Region.NORTH_AMERICA: (Window(time(23, 45), time(1, 45), "America/New_York"),),
    Region.EUROPE: (Window(time(6, 25), time(7, 45), "Europe/Zurich"),),
    Region.ASIA: (
        Window(time(4, 45), time(6, 5), "Asia/Hong_Kong"),
        Window(time(20, 15), time(21, 15), "Asia/Hong_Kong"),
    ),
}
_WEEKEND_BY_DEFAULT = (Window(time(23), time(3), "America/New_York", WEEKEND, _DAYS.index("fri")),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resets:
    """When IBKR's servers are away, by region and at the weekend, and how long before that nothing leaves any more."""

    nightly: Mapping[Region, Sequence[Window]] = field(default_factory=lambda: _BY_DEFAULT)
    weekend: Sequence[Window] = _WEEKEND_BY_DEFAULT
    gate: timedelta = GATE

    def nights(self, region: Region, now: datetime) -> list[Night]:
        """The nights around a moment, in the order of time; those that touch are one."""
        spans = sorted(
            (span for window in (*self.nightly[region], *self.weekend) for span in window.spans(now)),
            key=lambda span: (span.begins, span.ends),
        )
        nights: list[Night] = []
        for span in spans:
            closes = span.begins - self.gate
            if nights and closes <= nights[-1].ends:
                before = nights[-1]
                code = span.code if span.ends > before.ends else before.code
                nights[-1] = Night(before.closes, before.begins, max(before.ends, span.ends), code)
            else:
                nights.append(Night(closes, span.begins, span.ends, span.code))
        return nights

    def closed_at(self, now: datetime, region: Region) -> Night | None:
        """The night whose gate is closed at a moment; None while orders may leave."""
        return next((night for night in self.nights(region, now) if night.closes <= now < night.ends), None)

    def away_at(self, now: datetime, region: Region) -> Night | None:
        """The night whose window holds a moment."""
        return next((night for night in self.nights(region, now) if night.is_away(now)), None)

    def last_end(self, now: datetime, region: Region) -> datetime | None:
        """When IBKR was last expected back: only what was seen since then proves that somebody is signed in."""
        ends = [night.ends for night in self.nights(region, now) if night.ends <= now]
        return max(ends, default=None)

    def deadline(self, created_at: datetime, expires_at: datetime, region: Region) -> datetime:
        """Until when a way out may leave: while the gate is closed its time does not run."""
        for night in self.nights(region, expires_at):
            if night.closes <= expires_at < night.ends:
                left = expires_at - max(night.closes, min(created_at, expires_at))
                return night.ends + max(left, AFTERWARDS)
        return expires_at


DEFAULT = Resets()


def reset_at(now: datetime, region: Region, resets: Resets = DEFAULT) -> tuple[str, datetime] | None:
    """The code and the end of the window that holds `now`; None outside of all. The one that ends last counts."""
    night = resets.away_at(now, region)
    return None if night is None else (night.code, night.ends)


def read(written: Iterable[str], gate: timedelta = GATE) -> Resets:
    """The windows as an operator writes them: `NA=23:45-01:45 America/New_York`, `WEEKEND=fri 23:00-03:00 America/New_York`.

    `NA=none` and `WEEKEND=none` say that there is no window. What is not named keeps its default. Raises WindowRefused.
    """
    named: dict[str, list[Window]] = {}
    for word in written:
        name, window = _read_one(word)
        named.setdefault(name, []).extend([] if window is None else [window])
    weekend = named.pop(_WEEKEND_NAME, _WEEKEND_BY_DEFAULT)
    nightly = {Region(name): windows for name, windows in named.items()}
    return Resets(nightly={**_BY_DEFAULT, **nightly}, weekend=tuple(weekend), gate=gate)


def _read_one(word: str) -> tuple[str, Window | None]:
    """The name of a region or of the weekend, and its window; None where it has none."""
    name, _, rest = word.strip().partition("=")
    if rest.strip().lower() == "none" and name.strip().upper() in {_WEEKEND_NAME, *Region}:
        return name.strip().upper(), None
    parts = _WRITTEN.match(word.strip())
    if parts is None:
        raise WindowRefused(f"{word!r} is not written like NA=23:45-01:45 America/New_York")
    name, day = parts["name"].upper(), (parts["day"] or "").lower()
    if name not in {_WEEKEND_NAME, *Region}:
        raise WindowRefused(f"{parts['name']!r} is none of {', '.join(Region)} and {_WEEKEND_NAME}")
    if day and day not in _DAYS:
        raise WindowRefused(f"{parts['day']!r} is no day of the week; write one of {', '.join(_DAYS)}")
    if name == _WEEKEND_NAME and not day:
        raise WindowRefused(f"{word!r} names no day of the week, such as WEEKEND=fri 23:00-03:00 America/New_York")
    try:
        opens, closes = time.fromisoformat(parts["opens"]), time.fromisoformat(parts["closes"])
    except ValueError:
        raise WindowRefused(f"{word!r} names an hour that no clock shows") from None
    if opens == closes:
        raise WindowRefused(f"{word!r} begins and ends at one time")
    try:
        ZoneInfo(parts["zone"])
    except (KeyError, ValueError, OSError):
        raise WindowRefused(f"{parts['zone']!r} is no time zone") from None
    code = WEEKEND if name == _WEEKEND_NAME else NIGHTLY
    return name, Window(opens, closes, parts["zone"], code, _DAYS.index(day) if day else None)


# What `sso/validate` calls the places of IBKR's servers, as far as any recorded answer or source names them.
_PLACES = {
    Region.NORTH_AMERICA: {"NJ", "NY", "US", "NA", "CHI"},
    Region.EUROPE: {"ZUG", "CH", "EU", "ZH", "LDN"},
    Region.ASIA: {"HK", "APAC", "ASIA"},
}


def region_of_place(place: str) -> Region | None:
    """The region that IBKR's word for a place stands for; None for a word we do not know."""
    word = place.strip().upper()
    return next((region for region, places in _PLACES.items() if word in places), None)
