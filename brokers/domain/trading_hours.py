"""When one contract trades, by the broker's own word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

# From when until when, in seconds since 1970.
Session = tuple[int, int]


NEW_YORK = "America/New_York"


def trading_day(at: datetime, zone: str = NEW_YORK) -> date:
    """The day whose contracts count at a moment: splits, new listings and new numbers come with the exchange's midnight."""
    return at.astimezone(ZoneInfo(zone)).date()


class Market(StrEnum):
    """What a contract's market does at a moment."""

    OPEN = "open"
    EXTENDED = "extended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingDay:
    """A day in the exchange's zone, with the sessions that open on it."""

    day: date
    regular: tuple[str, ...]
    extended: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingHours:
    """The sessions of some days around the one they were asked for on, soonest first; `extended` holds the regular ones,
    too. Nothing is known before `as_of`, when the broker said so, or the first of them, and after the last of them."""

    regular: tuple[Session, ...] = ()
    extended: tuple[Session, ...] = ()
    # In seconds since 1970; sessions of the days to come are listed without a gap.
    as_of: int | None = None
    # The exchange's zone, as in "America/New_York"; empty where the broker names none that is known.
    zone: str = ""

    def is_open(self, at: datetime, *, extended: bool = False) -> bool | None:
        """Whether a regular session, or with `extended` any session, is open; None where the broker does not say."""
        sessions, second = self._sessions(extended=extended), at.timestamp()
        if not sessions or not self.covers(at):
            return None
        return any(opens <= second < closes for opens, closes in sessions)

    def opens_after(self, at: datetime, *, extended: bool = False) -> datetime | None:
        """When the next session begins; None where the broker lists none."""
        second = at.timestamp()
        begins = (opens for opens, _ in self._sessions(extended=extended) if opens > second)
        return next((datetime.fromtimestamp(opens, UTC) for opens in begins), None)

    def market(self, at: datetime) -> Market | None:
        """What the market does; None where the broker does not say."""
        if not self.covers(at):
            return None
        if self.is_open(at):
            return Market.OPEN
        return Market.EXTENDED if self.is_open(at, extended=True) else Market.CLOSED

    def closes_after(self, at: datetime, *, extended: bool = False) -> datetime | None:
        """When the session that is open now ends; None where none is open."""
        second = at.timestamp()
        ends = (closes for opens, closes in self._sessions(extended=extended) if opens <= second < closes)
        return next((datetime.fromtimestamp(closes, UTC) for closes in ends), None)

    def days(self, since: datetime) -> list[TradingDay]:
        """The days that are not over yet, in the exchange's zone; in UTC where it is not known."""
        zone = ZoneInfo(self.zone or "UTC")
        spans: dict[date, tuple[list[str], list[str]]] = {}
        for is_extended, sessions in enumerate((self.regular, self.extended)):
            for opens, closes in sessions:
                if closes > since.timestamp():
                    day = datetime.fromtimestamp(opens, zone).date()
                    spans.setdefault(day, ([], []))[is_extended].append(_spelled(opens, closes, zone))
        return [
            TradingDay(day=day, regular=tuple(regular), extended=tuple(extended))
            for day, (regular, extended) in sorted(spans.items())
        ]

    def covers(self, at: datetime) -> bool:
        """Whether a moment is among the days that are listed."""
        every = (*self.regular, *self.extended)
        if not every:
            return False
        begins = min(every)[0] if self.as_of is None else min(min(every)[0], self.as_of)
        return begins <= at.timestamp() < max(closes for _, closes in every)

    def _sessions(self, *, extended: bool) -> tuple[Session, ...]:
        return (self.extended or self.regular) if extended else self.regular

    def as_json(self) -> dict[str, Any]:
        """For a row."""
        regular, extended = ([list(each) for each in sessions] for sessions in (self.regular, self.extended))
        return {"regular": regular, "extended": extended, "as_of": self.as_of, "zone": self.zone}

    @classmethod
    def from_json(cls, row: dict[str, Any] | None) -> TradingHours | None:
        """As `as_json` wrote it."""
        if not row:
            return None
        return cls(
            regular=_sessions(row["regular"]),
            extended=_sessions(row["extended"]),
            as_of=row["as_of"],
            zone=row.get("zone", ""),
        )


def _sessions(rows: Sequence[Sequence[int]]) -> tuple[Session, ...]:
    return tuple((int(opens), int(closes)) for opens, closes in rows)


def _spelled(opens: int, closes: int, zone: tzinfo) -> str:
    """`09:30-16:00`, with the day where it ends on another one."""
    begins, ends = (datetime.fromtimestamp(second, zone) for second in (opens, closes))
    last = "%H:%M" if begins.date() == ends.date() else "%a %H:%M"
    return f"{begins:%H:%M}-{ends:{last}}"
