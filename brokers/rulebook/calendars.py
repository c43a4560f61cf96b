"""Exchange calendars: which session is open at an instant, and when regular sessions open and close."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from brokers.rulebook import tables
from brokers.rulebook.errors import NoTradingDay, UnknownCalendar

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ONE_DAY = timedelta(days=1)
FULL_DAY = 24 * 60 * 60
SEARCHED_DAYS = 400


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a local day, in seconds from midnight; `start <= t < end`."""

    start: int
    end: int
    regular: bool


Week = tuple[tuple[Segment, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The sessions of one exchange. Instants are aware datetimes, days are local dates, seconds count from local midnight."""

    name: str
    zone: ZoneInfo
    week: Week
    holidays: frozenset[date] = frozenset()
    early_closes: Mapping[date, time] = field(default_factory=dict)
    bank_holidays: frozenset[date] = frozenset()

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def segments(self, day: date) -> tuple[Segment, ...]:
        """The segments of a local day; an early close cuts them all."""
        if day in self.holidays:
            return ()
        segments = self.week[day.weekday()]
        early = self.early_closes.get(day)
        if early is None:
            return segments
        cut = early.hour * 3600 + early.minute * 60 + early.second
        return tuple(Segment(s.start, min(s.end, cut), s.regular) for s in segments if s.start < cut)

    def is_open(self, at: datetime, *, extended: bool = False) -> bool:
        """Whether a regular session, or with `extended` any session, is open at an instant."""
        local = self.local(at)
        second = _second_of(local)
        return any(s.start <= second < s.end and (extended or s.regular) for s in self.segments(local.date()))

    def is_open_during(self, start: datetime, end: datetime, *, extended: bool = False) -> bool:
        """Whether a regular session, or with `extended` any session, overlaps the span from `start` to `end`."""
        day, last = self.local(start).date(), self.local(end).date()
        while day <= last:
            for segment in self.segments(day):
                counts = extended or segment.regular
                if counts and self.instant(day, segment.start) < end and start < self.instant(day, segment.end):
                    return True
            day += ONE_DAY
        return False

    def trades_on(self, day: date) -> bool:
        return any(s.regular for s in self.segments(day))

    def instant(self, day: date, second: int) -> datetime:
        """A local second of the day as UTC."""
        if second >= FULL_DAY:
            day, second = day + ONE_DAY, second - FULL_DAY
        local = datetime.combine(day, time(second // 3600, second // 60 % 60, second % 60), self.zone)
        return local.astimezone(UTC)

    def open_second(self, day: date) -> int | None:
        return next((s.start for s in self.segments(day) if s.regular), None)

    def close_second(self, day: date) -> int | None:
        return next((s.end for s in reversed(self.segments(day)) if s.regular), None)

    def regular_open(self, day: date) -> datetime | None:
        second = self.open_second(day)
        return None if second is None else self.instant(day, second)

    def regular_close(self, day: date) -> datetime | None:
        second = self.close_second(day)
        return None if second is None else self.instant(day, second)

    def open_after(self, at: datetime) -> datetime:
        """The first regular open strictly after an instant, in UTC; NoTradingDay where 400 days have none."""
        day = self.local(at).date()
        for _ in range(SEARCHED_DAYS):
            opens = self.regular_open(day)
            if opens is not None and opens > at:
                return opens
            day += ONE_DAY
        raise NoTradingDay(self.name)

    def close_after(self, at: datetime) -> datetime:
        """The last regular close, in UTC, of the first trading day that closes strictly after an instant; else NoTradingDay."""
        day = self.local(at).date()
        for _ in range(SEARCHED_DAYS):
            close = self.regular_close(day)
            if close is not None and close > at:
                return close
            day += ONE_DAY
        raise NoTradingDay(self.name)

    def close_on_or_after(self, day: date) -> datetime:
        """The last regular close, in UTC, of the first trading day on or after a date; else NoTradingDay."""
        for _ in range(SEARCHED_DAYS):
            close = self.regular_close(day)
            if close is not None:
                return close
            day += ONE_DAY
        raise NoTradingDay(self.name)

    def with_days(
        self,
        *,
        holidays: frozenset[date] | None = None,
        early_closes: Mapping[date, time] | None = None,
        bank_holidays: frozenset[date] | None = None,
    ) -> "Calendar":
        """The same sessions with days of the caller's own."""
        return replace(
            self,
            holidays=self.holidays if holidays is None else holidays,
            early_closes=self.early_closes if early_closes is None else early_closes,
            bank_holidays=self.bank_holidays if bank_holidays is None else bank_holidays,
        )


@cache
def calendar(name: str) -> Calendar:
    """A calendar of the table, without holidays; UnknownCalendar for another name."""
    row = tables.read("calendars")["calendars"].get(name)
    if row is None:
        raise UnknownCalendar(name)
    week = tuple(
        tuple(Segment(_seconds(s["start"]), _seconds(s["end"]), s["state"] == "market") for s in row["sessions"][day])
        for day in DAYS
    )
    return Calendar(name=name, zone=ZoneInfo(row["timezone"]), week=week)


@cache
def exchange_calendar(name: str, days_of: str) -> Calendar:
    """A calendar of the table with Lean's holidays and early closes of a market, such as 'Equity-usa-[*]', from 2024 on."""
    row = tables.read("calendars")["lean_holidays"].get(days_of)
    if row is None:
        raise UnknownCalendar(days_of)
    return calendar(name).with_days(
        holidays=frozenset(date.fromisoformat(day) for day in row["holidays_2024_on"]),
        early_closes={
            date.fromisoformat(day): time.fromisoformat(close) for day, close in row["early_closes_2024_on"].items()
        },
    )


def calendar_names() -> tuple[str, ...]:
    return tuple(tables.read("calendars")["calendars"])


def _seconds(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _second_of(local: datetime) -> float:
    return local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6
