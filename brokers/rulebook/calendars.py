"""Exchange calendars: which session is open at an instant, and when regular sessions open and close."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from brokers.rulebook import tables
from brokers.rulebook.errors import NoTradingDay, UnknownCalendar

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ONE_DAY = timedelta(days=1)
FULL_DAY = 24 * 60 * 60
SEARCHED_DAYS = 400
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


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
    # From this second on, what trades belongs to the next day: a half day keeps its evening, an eve of a holiday has none.
    evening_from: int | None = None

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def segments(self, day: date) -> tuple[Segment, ...]:
        """The segments of a local day; an early close cuts them all, but not an evening that belongs to the next day."""
        segments = self.week[day.weekday()]
        if self.evening_from is None:
            return self._own(day, segments)
        if {day, day + ONE_DAY}.isdisjoint(self.holidays) and day not in self.early_closes:
            return segments
        turn = self.evening_from
        until = tuple(Segment(s.start, min(s.end, turn), s.regular) for s in segments if s.start < turn)
        after = tuple(Segment(max(s.start, turn), s.end, s.regular) for s in segments if s.end > turn)
        return self._own(day, until) + (() if day + ONE_DAY in self.holidays else after)

    def _own(self, day: date, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        """What is left of the segments that belong to the day itself."""
        if day in self.holidays:
            return ()
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

    def as_listed(self, sessions: Sequence[tuple[int, int]]) -> "Calendar":
        """The same with the days that a broker lists: one without a regular session is a holiday, one that ends before its
        week's close ends early. `sessions` are regular ones, in seconds since 1970."""
        closes: dict[date, datetime] = {}
        for opening, closing in sessions:
            day = self.local(datetime.fromtimestamp(opening, UTC)).date()
            closes[day] = max(self.local(datetime.fromtimestamp(closing, UTC)), closes.get(day, _LONG_AGO))
        if not closes:
            return self
        holidays, early = set(self.holidays), dict(self.early_closes)
        plain = self.with_days(holidays=frozenset(), early_closes={})
        day = min(closes)
        while day <= max(closes):
            holidays.discard(day)
            early.pop(day, None)
            usual = plain.regular_close(day)
            if usual is not None and day not in closes:
                holidays.add(day)
            elif usual is not None and closes[day] < usual:
                early[day] = closes[day].time()
            day += ONE_DAY
        return self.with_days(holidays=frozenset(holidays), early_closes=early)


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


@cache
def us_shares() -> Calendar:
    """US shares, whose days all other markets of the US go by."""
    return exchange_calendar("us_equity", "Equity-usa-[*]")


@lru_cache(maxsize=256)
def us_shares_as_listed(sessions: tuple[tuple[int, int], ...]) -> Calendar:
    """US shares with the days that the broker lists for one of them."""
    return us_shares().as_listed(sessions)


@cache
def us_options() -> Calendar:
    """Options on US shares: the days of the shares."""
    shares = us_shares()
    return calendar("us_option").with_days(holidays=shares.holidays, early_closes=shares.early_closes)


@cache
def spx_options() -> Calendar:
    """Options on indices: the days of shares in Chicago time, a quarter of an hour longer on half days."""
    shares = us_shares()
    later = {
        day: (datetime.combine(day, close) - timedelta(minutes=45)).time() for day, close in shares.early_closes.items()
    }
    return calendar("spx_option").with_days(holidays=shares.holidays, early_closes=later)


def options(*, on_index: bool) -> Calendar:
    """Options on US shares, or those on indices."""
    return spx_options() if on_index else us_options()


@cache
def us_cfds() -> Calendar:
    """Contracts for difference; the table of their days lacks some that the shares have."""
    own, shares = exchange_calendar("ib_cfd_default", "Cfd-interactivebrokers-[*]"), us_shares()
    return own.with_days(
        holidays=own.holidays | shares.holidays, early_closes={**shares.early_closes, **own.early_closes}
    )


@cache
def currencies() -> Calendar:
    """Currency pairs pause from five in the afternoon before Christmas and New Year until five on the day itself."""
    years = range(min(us_shares().holidays).year, max(us_shares().holidays).year + 2)
    holidays = frozenset(date(year, month, day) for year in years for month, day in ((1, 1), (12, 25)))
    return replace(calendar("forex").with_days(holidays=holidays), evening_from=_seconds("17:00"))


# When futures of the group end on a day on which US shares are closed, and on one on which shares end early.
_HALF_DAYS = {
    "CME": (time(13), time(13, 15)),
    "CBOT": (time(13), time(13, 15)),
    "GLOBEX": (time(13), time(13, 15)),
    "NYMEX": (time(14, 30), time(13, 45)),
    "COMEX": (time(14, 30), time(13, 45)),
}
# The exchanges met for a report of the labour market, and for a day of mourning.
_SHORT_MORNINGS = {date(2026, 4, 3): time(9, 15), date(2025, 1, 9): time(9, 30)}


@cache
def cme_futures(exchange: str = "CME") -> Calendar | None:
    """Futures of an exchange of the CME group, None for others: closed at New Year, on Good Friday and at Christmas, and
    short on the other holidays of shares."""
    if exchange not in _HALF_DAYS:
        return None
    on_holidays, on_half_days = _HALF_DAYS[exchange]
    shares = us_shares()
    closed = frozenset(day for day in shares.holidays if _stops_futures(day) and day not in _SHORT_MORNINGS)
    early = dict.fromkeys(shares.holidays - closed, on_holidays) | dict.fromkeys(shares.early_closes, on_half_days)
    if exchange in {"CME", "CBOT", "GLOBEX"}:
        early |= _SHORT_MORNINGS
    else:
        closed |= {date(2026, 4, 3)}
        early = {day: close for day, close in early.items() if day not in _SHORT_MORNINGS}
    days = calendar("cme_es").with_days(holidays=closed, early_closes=early)
    return replace(days, evening_from=_seconds("17:00"))


def _stops_futures(day: date) -> bool:
    """Whether a holiday of US shares is New Year, Good Friday or Christmas, or the weekday that stands in for one."""
    good_friday = day.weekday() == 4 and (day.month, day.day) >= (3, 20) and (day.month, day.day) <= (4, 23)
    return good_friday or (day.month, day.day) in {(1, 1), (1, 2), (12, 24), (12, 25), (12, 26)}


def calendar_names() -> tuple[str, ...]:
    return tuple(tables.read("calendars")["calendars"])


def _seconds(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _second_of(local: datetime) -> float:
    return local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6
