"""Margin of futures by product and date, and of their options on a curve of the future's requirement."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from brokers.rulebook import tables
from brokers.rulebook.errors import MissingMarginData, UnknownWord
from brokers.rulebook.values import ONE, ZERO

TABLE = "future_margins"
# Exchanges change their margins every few weeks.
CURRENT_FOR = timedelta(days=92)
INTRADAY = Decimal(tables.read("models")["intraday_future_margin"])
_CURVES = {
    kind: (float(row["scale"]), float(row["growth"]), float(row["middle"]))
    for kind, row in tables.read("models")["future_option_margin"].items()
}


@dataclass(frozen=True, slots=True)
class MarginRow:
    """What one contract needs from a date on."""

    since: date
    initial: Decimal
    maintenance: Decimal


@dataclass(frozen=True, slots=True)
class FutureMargin:
    """Initial is signed like the quantity, maintenance is not."""

    initial: Decimal
    maintenance: Decimal


@cache
def margin_rows(product: str) -> tuple[MarginRow, ...]:
    """The rows of a product by date, per contract; MissingMarginData where the table has none, where Lean counts zero (decision 0021)."""
    rows = tables.read(TABLE)["products"].get(product)
    if not rows:
        raise MissingMarginData(product, table=TABLE)
    return tuple(MarginRow(date.fromisoformat(since), Decimal(a), Decimal(b)) for since, a, b in rows)


def row_on(rows: Sequence[MarginRow], day: date) -> MarginRow:
    """The last row in force on a day; before the first row, the first."""
    if not rows:
        raise MissingMarginData("without a name", table=TABLE)
    position = bisect_right(rows, day, key=lambda row: row.since)
    return rows[max(position - 1, 0)]


def compared_on() -> date:
    """The day the table was last compared with what the exchanges publish."""
    return date.fromisoformat(tables.read(TABLE)["version"])


def is_current(row: MarginRow, day: date) -> bool:
    """Whether a row of the table is good enough to refuse an order by: published, or found unchanged, not long ago."""
    return day - max(row.since, compared_on()) <= CURRENT_FOR


def future_margin(
    rows: Sequence[MarginRow],
    quantity: Decimal,
    day: date,
    *,
    fx_rate: Decimal = ONE,
    intraday: bool = False,
) -> FutureMargin:
    """Margin of contracts in account money; the price does not matter.

    `intraday` needs 40 % of it: only for an account that chose so, while the session runs and is not about to close.
    """
    row = row_on(rows, day)
    rate = fx_rate * INTRADAY if intraday else fx_rate
    return FutureMargin(quantity * row.initial * rate, abs(quantity * row.maintenance * rate))


def future_option_margin(
    *, side: str, right: str, strike: Decimal, underlying_price: Decimal, underlying_requirement: Decimal
) -> Decimal:
    """What one option needs, whole, in the money of `underlying_requirement`: Lean's logistic curve over the strike.

    UnknownWord for another side than long and short, or another right than call and put.
    """
    curve = _CURVES.get(f"{side}_{right}")
    if curve is None:
        raise UnknownWord(f"{side}_{right}", kind="side and right of an option", known=", ".join(_CURVES))
    scale, growth, middle_share = curve
    middle = float(underlying_price) * middle_share
    if middle == 0:
        return ZERO
    try:
        slope = math.exp(-growth * (float(strike) - middle) / middle)
    except OverflowError:
        return ZERO
    margin = float(underlying_requirement) * scale / (1 + slope)
    return Decimal(int(margin)) if math.isfinite(margin) else ZERO
