"""The hours in which IBKR restarts its servers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from brokers.domain.sessions import Region

NIGHTLY = "nightly-restart"
WEEKEND = "weekend-maintenance"
_FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of a night by the wall clock of a place; it may cross midnight. On `weekday` only, where one is named."""

    opens: time
    closes: time
    zone: str
    code: str = NIGHTLY
    weekday: int | None = None

    def end(self, now: datetime) -> datetime | None:
        """When the window that holds `now` closes; None outside of it."""
        local = now.astimezone(ZoneInfo(self.zone))
        for days in (0, 1):
            day = local.date() - timedelta(days=days)
            begins = datetime.combine(day, self.opens, local.tzinfo)
            later = self.closes <= self.opens
            ends = datetime.combine(day + timedelta(days=later), self.closes, local.tzinfo)
            if self.weekday in {None, day.weekday()} and begins <= local < ends:
                return ends
        return None


# IBKR's sources disagree about the nightly reset; these are the widest hours any of them names.
RESET_WINDOWS: Mapping[Region, Sequence[Window]] = {
    Region.NORTH_AMERICA: (Window(time(23, 45), time(1, 45), "America/New_York"),),
    Region.EUROPE: (Window(time(6, 25), time(7, 45), "Europe/Zurich"),),
    Region.ASIA: (
        Window(time(4, 45), time(6, 5), "Asia/Hong_Kong"),
        Window(time(20, 15), time(21, 15), "Asia/Hong_Kong"),
    ),
}
WEEKEND_WINDOW = Window(time(23), time(3), "America/New_York", WEEKEND, _FRIDAY)


def reset_at(now: datetime, region: Region) -> tuple[str, datetime] | None:
    """The code and the end of the window that holds `now`; None outside of all. The one that ends last counts."""
    windows = (*RESET_WINDOWS[region], WEEKEND_WINDOW)
    held = [(ends, window.code) for window in windows if (ends := window.end(now)) is not None]
    if not held:
        return None
    ends, code = max(held)
    return code, ends
