"""Trading windows: when a subscription trades, in its own zone, across midnight and the changes of the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `start`, up to and without `end`, on local days (0 is Monday).

    An `end` at or before the `start` is the next day's; a window then belongs to the day it starts on.
    """

    days: tuple[int, ...]
    start: time
    end: time
    zone: str = "America/New_York"

    def holds(self, at: datetime) -> bool:
        """Whether the window is open at an aware moment; never in a zone that nobody knows."""
        zone = zone_of(self.zone)
        if zone is None:
            return False
        local = at.astimezone(zone)
        clock = local.time()
        if self.start < self.end:
            return local.weekday() in self.days and self.start <= clock < self.end
        yesterday = (local - ONE_DAY).weekday()
        return (local.weekday() in self.days and clock >= self.start) or (yesterday in self.days and clock < self.end)

    def to_json(self) -> dict[str, Any]:
        return {
            "days": [DAYS[day] for day in self.days],
            "start": _clock(self.start),
            "end": _clock(self.end),
            "zone": self.zone,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Window:
        return cls(
            days=tuple(DAYS.index(day) for day in values["days"]),
            start=time.fromisoformat(values["start"]),
            end=time.fromisoformat(values["end"]),
            zone=values["zone"],
        )


def _clock(at: time) -> str:
    return at.isoformat() if at.second or at.microsecond else at.isoformat("minutes")


@lru_cache(maxsize=128)
def zone_of(name: str) -> ZoneInfo | None:
    """The zone of an IANA name; None when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
