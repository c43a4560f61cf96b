"""Series of options: one class of one root that ends on a certain weekday, or once a month."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache, lru_cache

from brokers.simulator.catalogue import futures, listed, tables
from brokers.simulator.catalogue.dates import (
    ONE_DAY,
    add_months,
    business_day_before,
    last_day,
    not_after,
    third_friday,
)
from brokers.simulator.catalogue.hours import is_business_day
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.catalogue.ladders import SHARES, Ladder, ladder
from brokers.simulator.catalogue.tables import Row

_EPOCH = date(2024, 1, 1)  # a Monday
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
_FRIDAY = 4
_SHARE_TICKS = "0.05 3:0.1"
# In these the smallest tick is a cent, and a nickel from three dollars on.
_PENNY_CLASSES = 100
_PENNY_TICKS = "0.01 3:0.05"
_DAILY_DAYS, _WEEKLIES, _MONTHLIES, _QUARTERLIES = 14, 6, 3, 4
Bands = tuple[tuple[Decimal, Decimal], ...]
# Slots of series on shares that were split: no contract of theirs is listed any more.
_REPLACED: set[int] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What all options of a series have in common; `slot` is their place in the numbers of contracts."""

    slot: int
    root_type: str
    root: str
    trading_class: str
    kind: str
    rule: str
    multiplier: Decimal
    style: str
    settlement: str
    ladder: Ladder
    bands: Bands
    # How many shares a contract delivers whose terms a split has changed, and whether it was there before a split.
    delivers: Decimal | None = None
    carried: bool = False

    @property
    def is_monthly(self) -> bool:
        return self.kind == "month"

    @property
    def underlying(self) -> Instrument:
        """What the series is on; for options on futures the product, not the month."""
        match self.root_type:
            case "FUT":
                instrument = futures.underlying(self.root)
            case "IND":
                instrument = listed.INDICES[self.root]
            case _:
                instrument = listed.STOCKS[self.root]
        assert instrument is not None
        return instrument

    def expiry(self, period: int) -> date | None:
        """The last day of the options of a period: the month or the week, counted from 2024 on."""
        return _expiry(self, period)

    def month(self, period: int) -> date:
        """The first day of the month that the options of a period are named after."""
        if self.is_monthly:
            return add_months(_EPOCH, period)
        last = _expiry(self, period)
        assert last is not None
        return last.replace(day=1)

    def class_in(self, period: int) -> str:
        """The trading class; weeklies on futures carry the number that their weekday has in its month."""
        if self.is_monthly:
            return self.trading_class
        day = _EPOCH + timedelta(days=7 * period + _WEEKDAYS.index(self.kind))
        return self.trading_class.replace("#", str((day.day + 6) // 7))

    def __hash__(self) -> int:
        return self.slot


@lru_cache(maxsize=32_768)
def _expiry(series: Series, period: int) -> date | None:
    if series.is_monthly:
        return _monthly_expiry(series, add_months(_EPOCH, period))
    weekday = _WEEKDAYS.index(series.kind)
    day = _EPOCH + timedelta(days=7 * period + weekday)
    if weekday != _FRIDAY:
        # On the eve of a holiday Friday only the Friday's options end.
        return day if is_business_day(day) and (day.weekday() != 3 or is_business_day(day + ONE_DAY)) else None
    if series.root_type == "FUT" and day == third_friday(day.year, day.month) and day.month % 3 == 0:
        return None  # the quarterly series ends that day
    return not_after(day)


def _monthly_expiry(series: Series, month: date) -> date | None:
    if not series.rule.startswith("fut"):
        return last_day(series.rule, month)
    number = futures.number_of(series.root)
    assert number is not None
    if month.month not in futures.months_of(number):
        return None
    future = futures.month(number, month.year, month.month)
    assert future.expiry is not None
    return business_day_before(future.expiry, -int(series.rule.removeprefix("fut") or 0))


@lru_cache(maxsize=4096)
def periods(series: Series, today: date) -> tuple[int, ...]:
    """The periods listed on a day, nearest first."""
    return tuple(_listed_months(series, today) if series.is_monthly else _listed_weeks(series, today))


def _listed_weeks(series: Series, today: date) -> list[int]:
    this_week = (today - _EPOCH).days // 7
    if series.kind != "fri" or series.root_type == "FUT":
        weeks = range(this_week, this_week + (3 if series.kind != "fri" else 5))
        until = today + timedelta(days=_DAILY_DAYS if series.kind != "fri" else 35)
        return [w for w in weeks if (last := series.expiry(w)) is not None and today <= last <= until]
    near = set(range(this_week, this_week + _WEEKLIES)) | set(_standard_weeks(today))
    return sorted(w for w in near if (last := series.expiry(w)) is not None and last >= today)


def _listed_months(series: Series, today: date) -> list[int]:
    first = (today.year - _EPOCH.year) * 12 + today.month - 1
    count = _QUARTERLIES if series.rule == "fut" else _MONTHLIES * 2
    nearest = [p for p in range(first, first + 24) if (last := series.expiry(p)) is not None and last >= today]
    return nearest[:count]


def _standard_weeks(today: date) -> list[int]:
    """The weeks of the third Fridays: the next months, the quarters of a year, and two Januaries."""
    first = today.replace(day=1)
    months = {add_months(first, ahead) for ahead in range(_MONTHLIES + 1)}
    months |= {month for ahead in range(13) if (month := add_months(first, ahead)).month % 3 == 0}
    months |= {date(today.year + ahead, 1, 1) for ahead in (1, 2)}
    return [(third_friday(m.year, m.month) - _EPOCH).days // 7 for m in months]


def _bands(text: str) -> Bands:
    """Ticks by the price they count from: `0.05 3:0.1`."""
    parts = (part.rpartition(":") for part in text.split())
    return tuple((Decimal(edge or 0), Decimal(tick)) for edge, _, tick in parts)


def _of_share(row: Row) -> Series:
    slot = int(row["slot"])
    return Series(
        slot=slot,
        root_type="STK",
        root=row["symbol"],
        trading_class=row["symbol"].replace(" ", ""),
        kind="fri",
        rule="",
        multiplier=Decimal(100),
        style="american",
        settlement="physical",
        ladder=ladder(SHARES),
        bands=_bands(_PENNY_TICKS if slot < _PENNY_CLASSES else _SHARE_TICKS),
    )


def _of_row(row: Row) -> Series:
    return Series(
        slot=int(row["slot"]),
        root_type=row["type"],
        root=row["root"],
        trading_class=row["class"],
        kind=row["kind"],
        rule=row["rule"],
        multiplier=Decimal(row["multiplier"]),
        style=row["style"],
        settlement=row["settlement"],
        ladder=ladder(row["strikes"]),
        bands=_bands(row["ticks"]),
    )


@cache
def by_slot() -> dict[int, Series]:
    """Every series, by its place."""
    shares = (_of_share(row) for row in tables.read("stocks") if row["slot"])
    every = (*shares, *(_of_row(row) for row in tables.read("option_series")))
    return {series.slot: series for series in every}


@cache
def _by_underlying() -> dict[int, tuple[Series, ...]]:
    by_conid: dict[int, tuple[Series, ...]] = {}
    for series in by_slot().values():
        if series.slot in _REPLACED:
            continue
        conid = series.underlying.conid
        by_conid[conid] = (*by_conid.get(conid, ()), series)
    return by_conid


def series_of(conid: int) -> tuple[Series, ...]:
    """The series on a share, an index or a futures product."""
    return _by_underlying().get(conid, ())


def is_replaced(slot: int) -> bool:
    """Whether the share of a series was split, and its contracts have become others."""
    return slot in _REPLACED


def of_root(symbol: str) -> tuple[Series, ...]:
    """The series on a share, by its symbol."""
    every = by_slot().values()
    return tuple(
        each for each in every if (each.root_type, each.root) == ("STK", symbol) and each.slot not in _REPLACED
    )


def replace_by(slot: int, successors: Iterable[Series]) -> None:
    """List these from now on instead of the series in a slot."""
    _REPLACED.add(slot)
    by_slot().update({each.slot: each for each in successors})
    relisted()


def relisted() -> None:
    """Find the series of each underlying anew: a share may have another number."""
    _by_underlying.cache_clear()
