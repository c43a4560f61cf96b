"""Moments in the zone of the person who reads them, with UTC beside."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, tzinfo

_UTC = zoneinfo.ZoneInfo("UTC")


def zone_named(name: str) -> zoneinfo.ZoneInfo:
    """The zone by this name; UTC where there is none, since the name may come from a browser."""
    try:
        return zoneinfo.ZoneInfo(name or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return _UTC


def spelled(at: datetime, zone: tzinfo, clock: str = "%H:%M") -> str:
    """A moment for a text that nobody hovers over: `2026-11-20 10:00 in New York (15:00 UTC)`."""
    local, utc = at.astimezone(zone), at.astimezone(UTC)
    city = str(getattr(zone, "key", "UTC")).rpartition("/")[2].replace("_", " ")
    if city == "UTC":
        return f"{utc:%Y-%m-%d {clock}} UTC"
    day = "" if local.date() == utc.date() else f"{utc:%Y-%m-%d} "
    return f"{local:%Y-%m-%d {clock}} in {city} ({day}{utc:{clock}} UTC)"
