"""Futures: the months of each product follow from the date."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache

from brokers.simulator.catalogue import tables
from brokers.simulator.catalogue.dates import add_months, first_notice, last_day
from brokers.simulator.catalogue.instrument import MONTH_CODES, Instrument
from brokers.simulator.catalogue.listed import FUTURES_UNDERLYING, walks

_FIRST = 500_000_000
_STEP = 10_000
_YEARS_AHEAD = 4
_QUARTERLY, _MONTHLY = 8, 12
_ROWS = tables.read("futures")


def _names() -> dict[str, tuple[int, ...]]:
    """The rows of each symbol, which products of several sizes may share; and of each class that is no symbol."""
    numbers: dict[str, tuple[int, ...]] = {}
    for number, row in enumerate(_ROWS):
        numbers[row["symbol"]] = (*numbers.get(row["symbol"], ()), number)
    return {row["class"]: (number,) for number, row in enumerate(_ROWS)} | numbers


_NAMES = _names()


def months_of(number: int) -> tuple[int, ...]:
    """The months of the year a product is listed in far ahead; the nearest may be listed besides."""
    return tuple(MONTH_CODES.index(code) + 1 for code in _ROWS[number]["months"])


@lru_cache(maxsize=4096)
def month(number: int, year: int, calendar_month: int) -> Instrument:
    """One contract month of the product in a row of the table."""
    row = _ROWS[number]
    named_after = date(year, calendar_month, 1)
    return Instrument(
        conid=_FIRST + number * _STEP + (year - 2000) * 100 + calendar_month,
        symbol=row["symbol"],
        name=row["name"],
        sec_type="FUT",
        exchange=row["exchange"],
        listing=row["exchange"],
        currency=row["currency"] or "USD",
        base_price=float(row["price"]),
        increment=Decimal(row["tick"]),
        volatility=float(row["volatility"]),
        multiplier=Decimal(row["multiplier"]),
        kind="",
        underlying_conid=FUTURES_UNDERLYING + number,
        underlying_type="IND",
        expiry=last_day(row["rule"], named_after),
        month=named_after,
        notice=first_notice(named_after, int(row["notice"])) if row["notice"] else None,
        trading_class=row["class"],
        walks=walks(row) or ((FUTURES_UNDERLYING + number, float(row["volatility"])),),
        carry=float(row["carry"]),
    )


@lru_cache(maxsize=256)
def _underlying(number: int) -> Instrument:
    """What the months of a product are months of: a number with a price that nobody trades."""
    row = _ROWS[number]
    return Instrument(
        conid=FUTURES_UNDERLYING + number,
        symbol=row["symbol"],
        name=row["name"],
        sec_type="IND",
        exchange=row["exchange"],
        listing=row["exchange"],
        currency=row["currency"] or "USD",
        base_price=float(row["price"]),
        increment=Decimal(row["tick"]),
        volatility=float(row["volatility"]),
        multiplier=Decimal(row["multiplier"]),
        kind="FUT",
        trading_class=row["class"],
        tradable=False,
        walks=walks(row),
    )


def find(conid: int) -> Instrument | None:
    """The contract month, or the product itself, with this number."""
    if 0 <= conid - FUTURES_UNDERLYING < len(_ROWS):
        return _underlying(conid - FUTURES_UNDERLYING)
    number, rest = divmod(conid - _FIRST, _STEP)
    if not 0 <= number < len(_ROWS):
        return None
    year, calendar_month = 2000 + rest // 100, rest % 100
    named = range(1, 13) if _ROWS[number]["serials"] else months_of(number)
    return month(number, year, calendar_month) if calendar_month in named else None


def number_of(root: str) -> int | None:
    """The row of a product: of those that share a symbol, the first."""
    return next(iter(_NAMES.get(root.upper(), ())), None)


def underlying(root: str) -> Instrument | None:
    number = number_of(root)
    return None if number is None else _underlying(number)


def futures(root: str, today: date) -> list[Instrument]:
    """The months that still trade of all products with this name, nearest first."""
    listed = (each for number in _NAMES.get(root.upper(), ()) for each in _months(number, today))
    return sorted(listed, key=lambda each: each.expiry or today)


def in_cycle(root: str, today: date) -> list[Instrument]:
    """The months of a product that are listed far ahead, without the serial ones between."""
    number = number_of(root)
    cycle = () if number is None else months_of(number)
    return [each for each in futures(root, today) if each.month and each.month.month in cycle]


def months_behind(product: Instrument, today: date) -> list[Instrument]:
    """The months that still trade of one product, and of no other that shares its symbol."""
    return _months(product.conid - FUTURES_UNDERLYING, today)


def _months(number: int, today: date) -> list[Instrument]:
    cycle = sorted(months_of(number))
    # Some products trade on after the month they are named after.
    years = range(today.year - 1, today.year + _YEARS_AHEAD)
    listed = [month(number, year, each) for year in years for each in cycle]
    alive = [each for each in listed if not each.has_expired(today)]
    alive = alive[: _MONTHLY if len(cycle) == _MONTHLY else _QUARTERLY]
    return sorted({*alive, *_serial(number, today)}, key=lambda each: each.expiry or today)


def _serial(number: int, today: date) -> list[Instrument]:
    """The next calendar months, where they are listed whatever the cycle."""
    count = int(_ROWS[number]["serials"] or 0)
    ahead = (month(number, named.year, named.month) for named in (add_months(today, each) for each in range(count + 1)))
    return [each for each in ahead if not each.has_expired(today)][:count]


def first_after(number: int, named_after: date, last: date) -> Instrument:
    """The first month named no earlier than another that still trades on a day: what an option on futures turns into."""
    cycle = sorted(months_of(number))
    listed = (
        month(number, year, each)
        for year in range(named_after.year, named_after.year + _YEARS_AHEAD)
        for each in cycle
        if date(year, each, 1) >= named_after
    )
    return next(each for each in listed if not each.has_expired(last))


def roots() -> tuple[str, ...]:
    """Every product, by the broker's name."""
    return tuple(dict.fromkeys(row["symbol"] for row in _ROWS))
