"""Trades as a CSV file: one line joins the signal's price, the fills, slippage, milliseconds and money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from django.db.models import QuerySet

from accounts import downloads
from strategies.models import Trade

COLUMNS = (
    "id",
    "opened_at",
    "closed_at",
    "status",
    "account",
    "owner",
    "strategy",
    "ticker",
    "side",
    "units",
    "left",
    "signal_price",
    "entry_price",
    "exit_price",
    "slippage",
    "slippage_points",
    "latency_ms",
    "realized",
    "fees",
    "currency",
    "rate",
    "profit",
    "account_currency",
    "fills",
)
_AT_ONCE = 500


def as_csv(rows: QuerySet[Trade]) -> Iterator[str]:
    """Lines of the file, those made last first; rows are read some at a time."""
    return downloads.as_csv(COLUMNS, map(_cells, _all(rows.select_related("account", "strategy"))))


def _all(rows: QuerySet[Trade]) -> Iterator[Trade]:
    rows = rows.order_by("-pk")
    page = list(rows[:_AT_ONCE])
    while page:
        yield from page
        page = list(rows.filter(pk__lt=page[-1].pk)[:_AT_ONCE])


def _cells(row: Trade) -> tuple[str, ...]:
    return (
        str(row.code),
        _moment(row.opened_at),
        _moment(row.closed_at),
        row.status,
        row.account.account_id,
        row.owner,
        row.strategy.name if row.strategy else "",
        row.ticker,
        "long" if row.side == "buy" else "short",
        _amount(row.entered or row.exited),
        _amount(row.left),
        _amount(row.signal_price),
        _amount(row.entry_price),
        _amount(row.exit_price),
        _amount(row.slippage),
        _amount(None if row.slippage_points is None else round(row.slippage_points, 2)),
        "" if row.latency_ms is None else str(row.latency_ms),
        _amount(row.realized),
        _amount(row.fees),
        row.currency,
        _amount(row.rate),
        _amount(row.profit_home),
        row.home_currency,
        str(row.fills),
    )


def _amount(value: Decimal | None) -> str:
    """A decimal without exponent or trailing zeros; "" for what is not known."""
    if value is None:
        return ""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moment(value: datetime | None) -> str:
    return "" if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")
