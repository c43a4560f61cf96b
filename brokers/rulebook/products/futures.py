"""Futures by the chart's root: the broker's name, the months people trade, and when the chart goes on to the next."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from brokers.domain.tickers import MONTH_CODES
from brokers.rulebook.calendars import exchange_calendar

# Where nothing is delivered before the end, a contract is left two days before it expires.
ROLL_BEFORE_EXPIRY = timedelta(days=2)
_CODE = re.compile(rf"([A-Z0-9]+?)([{MONTH_CODES}])(\d{{4}})")
_ONE_DAY = timedelta(days=1)
_US = frozenset({"CME", "CBOT", "NYMEX", "COMEX", "CFE", "ICEUS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One row of futures.csv.

    `multiplier` is the broker's, and tells products apart that share its `symbol`. `liquid` are the month codes a
    continuous chart shows. A contract ends `ends` months before the month it is named after. `notice`: delivery may be
    announced so many business days before the first business day of that month; None where it waits for the end.
    """

    root: str
    symbol: str
    name: str
    venue: str
    currency: str
    multiplier: Decimal
    liquid: str
    ends: int
    notice: int | None

    @property
    def in_us(self) -> bool:
        return self.venue in _US

    def is_liquid(self, month: date) -> bool:
        """Whether a continuous chart ever shows this month."""
        return MONTH_CODES[month.month - 1] in self.liquid

    def first_notice(self, month: date) -> date | None:
        """The first day on which delivery of a month may be announced."""
        if self.notice is None:
            return None
        first = month.replace(day=1)
        while not is_business_day(first):
            first += _ONE_DAY
        return _business_day_before(first, self.notice)

    def rolls_on(self, month: date, expires: date) -> date:
        """The first day on which the chart shows the month behind this one."""
        notice = self.first_notice(month)
        by_expiry = expires - ROLL_BEFORE_EXPIRY
        return by_expiry if notice is None else min(by_expiry, _business_day_before(notice, 1))


def is_business_day(day: date) -> bool:
    """Whether US shares trade on a day."""
    return exchange_calendar("us_equity", "Equity-usa-[*]").trades_on(day)


def _business_day_before(day: date, count: int) -> date:
    while count:
        day -= _ONE_DAY
        count -= is_business_day(day)
    return day


def _read() -> dict[str, Product]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {row["root"]: _product(row) for row in csv.DictReader(file)}


def _product(row: Mapping[str, str]) -> Product:
    return Product(
        root=row["root"],
        symbol=row["symbol"],
        name=row["name"],
        venue=row["venue"],
        currency=row["currency"],
        multiplier=Decimal(row["multiplier"]),
        liquid=row["liquid"],
        ends=int(row["ends"]),
        notice=int(row["notice"]) if row["notice"] else None,
    )


PRODUCTS: Mapping[str, Product] = _read()
_SHARING: dict[str, list[Product]] = defaultdict(list)
for _each in PRODUCTS.values():
    _SHARING[_each.symbol].append(_each)


def product_of(root: str) -> Product | None:
    """The product with this root on a chart."""
    return PRODUCTS.get(root)


def sharing(symbol: str) -> tuple[Product, ...]:
    """The products the broker lists under one symbol of its own; mostly one."""
    return tuple(_SHARING.get(symbol, ()))


def chart_root(name: str) -> str:
    """The chart's root for a root in anybody's words: EUR is 6E. A name that stands for several stays as it is."""
    if name in PRODUCTS:
        return name
    products = sharing(name)
    return products[0].root if len(products) == 1 else name


def is_ambiguous(name: str) -> bool:
    """Whether a root is the broker's name for several products and no chart's."""
    return name not in PRODUCTS and len(sharing(name)) > 1


def names_of(root: str) -> tuple[str, ...]:
    """Every name a product goes by: the chart's, and the broker's where that is its own alone."""
    product = PRODUCTS.get(root)
    if product is None or product.symbol == root or chart_root(product.symbol) != root:
        return (root,)
    return root, product.symbol


def read_code(ticker: str) -> tuple[str, date] | None:
    """Root and month of a ticker that names its month in full; None for a continuous name."""
    match = _CODE.fullmatch(ticker)
    return (match[1], date(int(match[3]), MONTH_CODES.index(match[2]) + 1, 1)) if match else None


def code_of(root: str, month: date) -> str:
    """MNQZ2026."""
    return f"{root}{MONTH_CODES[month.month - 1]}{month.year}"
