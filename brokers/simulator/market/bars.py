"""The bars of a chart: which spans of time they cover."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from brokers.simulator.catalogue import hours
from brokers.simulator.catalogue.instrument import Instrument

MOST = 1000
DAY_S = 86_400
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S, "m": 30 * DAY_S, "y": 365 * DAY_S}
# In a period a week is five days of trading.
_TRADING_DAYS = {"d": 1, "w": 5, "m": 21, "y": 252}
_LENGTH = re.compile(r"(?P<count>\d{1,4})(?P<unit>S|s|secs?|mins?|h|hrs?|d|w|m|y)")
_SEARCHED_DAYS = 7 * 366
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Length:
    """A period or the width of a bar."""

    count: int
    unit: str

    @property
    def seconds(self) -> int:
        return self.count * _UNITS[self.unit]

    @property
    def trading_days(self) -> int | None:
        """How many days of trading it has; nothing when it is shorter than one."""
        return self.count * _TRADING_DAYS[self.unit] if self.unit in _TRADING_DAYS else None


def length(text: str) -> Length | None:
    """A length as requests spell it: 30min, 1d, 2w."""
    parts = _LENGTH.fullmatch(text)
    if parts is None or not int(parts["count"]):
        return None
    unit = parts["unit"].lower()
    unit = {"sec": "s", "secs": "s", "mins": "min", "hr": "h", "hrs": "h"}.get(unit, unit)
    return Length(int(parts["count"]), unit)


def unbroken(until: float, period: Length, bar: Length) -> list[Span]:
    """The bars of a period in a market that never closes, as `spans` has them in one that does."""
    count = min(max(period.seconds // bar.seconds, 1), MOST)
    begin = until // bar.seconds * bar.seconds - bar.seconds * (count - 1)
    return [(begin + i * bar.seconds, float(bar.seconds)) for i in range(count)]


def spans(instrument: Instrument, until: float, period: Length, bar: Length, *, extended: bool) -> list[Span]:
    """The bars of a period that ends at a moment, oldest first, at most a thousand: when each begins, and how long it is."""
    extended = hours.wants_extended(instrument, extended)
    if bar.trading_days is not None:
        return _by_days(instrument, until, period, bar, extended=extended)
    return _within_days(instrument, until, period, bar, extended=extended)


def _open(instrument: Instrument, day: date, until: float, *, extended: bool) -> list[Span]:
    """When the exchange is open on a day, up to a moment."""
    return [
        (float(opens), min(float(closes), until))
        for opens, closes, regular in hours.sessions(instrument, day)
        if (regular or extended) and opens < until
    ]


def _within_days(instrument: Instrument, until: float, period: Length, bar: Length, *, extended: bool) -> list[Span]:
    """Bars shorter than a day begin with each session."""
    spans: list[Span] = []
    day, days, left = hours.local_day(instrument, until), period.trading_days or MOST, period.seconds
    for back in range(_SEARCHED_DAYS):
        open_then = _open(instrument, day - timedelta(days=back), until, extended=extended)
        for opens, closes in reversed(open_then):
            begins = range(int((closes - opens - 1e-6) // bar.seconds), -1, -1)
            spans += [(opens + i * bar.seconds, float(bar.seconds)) for i in begins]
        days -= bool(open_then)
        enough = MOST if period.trading_days is not None else min(MOST, max(left // bar.seconds, 1))
        if days <= 0 or len(spans) >= enough:
            return spans[:enough][::-1]
    return spans[:MOST][::-1]


def _by_days(instrument: Instrument, until: float, period: Length, bar: Length, *, extended: bool) -> list[Span]:
    """Bars of days, weeks or months begin with the first session of each."""
    bars: dict[tuple[int, ...], Span] = {}
    day, left = hours.local_day(instrument, until), period.trading_days or 1
    for back in range(_SEARCHED_DAYS):
        then = day - timedelta(days=back)
        if open_then := _open(instrument, then, until, extended=extended):
            key = _bar_of(then, bar)
            ends = bars[key][0] + bars[key][1] if key in bars else open_then[-1][1]
            if key not in bars and len(bars) == MOST:
                break
            bars[key] = (open_then[0][0], ends - open_then[0][0])
            left -= 1
        if left <= 0:
            break
    return list(bars.values())[::-1]


def _bar_of(day: date, bar: Length) -> tuple[int, ...]:
    """Which bar a day belongs to."""
    match bar.unit:
        case "w":
            return (day.toordinal() // (7 * bar.count),)
        case "m":
            return ((day.year * 12 + day.month) // bar.count,)
        case "y":
            return (day.year // bar.count,)
        case _:
            return (day.toordinal() // bar.count,)
