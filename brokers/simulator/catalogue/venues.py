"""When shares abroad trade: the sessions of each exchange in its own time. Its holidays are not known here."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from brokers.rulebook.calendars import DAYS, Calendar, Segment

_WORKDAYS = 5


def _at(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _calendar(exchange: str, zone: str, *sessions: tuple[str, str]) -> Calendar:
    day = tuple(Segment(_at(opens), _at(closes), regular=True) for opens, closes in sessions)
    week = tuple(day if number < _WORKDAYS else () for number in range(len(DAYS)))
    return Calendar(name=exchange, zone=ZoneInfo(zone), week=week)


ABROAD: Mapping[str, Calendar] = {
    "IBIS": _calendar("IBIS", "Europe/Berlin", ("9:00", "17:30")),
    "AEB": _calendar("AEB", "Europe/Amsterdam", ("9:00", "17:30")),
    "SBF": _calendar("SBF", "Europe/Paris", ("9:00", "17:30")),
    "LSE": _calendar("LSE", "Europe/London", ("8:00", "16:30")),
    "EBS": _calendar("EBS", "Europe/Zurich", ("9:00", "17:20")),
    "TSE": _calendar("TSE", "America/Toronto", ("9:30", "16:00")),
    "ASX": _calendar("ASX", "Australia/Sydney", ("10:00", "16:00")),
    "SEHK": _calendar("SEHK", "Asia/Hong_Kong", ("9:30", "12:00"), ("13:00", "16:00")),
    "TSEJ": _calendar("TSEJ", "Asia/Tokyo", ("9:00", "11:30"), ("12:30", "15:30")),
}
