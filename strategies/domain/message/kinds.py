"""The classes of what a signal may name, and their words."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from brokers.domain.orders import AssetClass


class Kind(StrEnum):
    """What a signal may name. We trade the kinds that are an AssetClass too."""

    STOCK = "stock"
    FUTURE = "future"
    OPTION = "option"
    CRYPTO = "crypto"
    FOREX = "forex"
    CFD = "cfd"

    @property
    def is_traded(self) -> bool:
        return str(self) in AssetClass._value2member_map_


# One of them, many of them, and how they are written.
WORDS = {
    Kind.STOCK: ("a stock", "stocks", "SPY or BRK.B"),
    Kind.FUTURE: ("a future", "futures", "MNQ or MNQ{month}"),
    Kind.OPTION: ("an option", "options", "SPY {day}C600"),
    Kind.CRYPTO: ("a crypto pair", "crypto pairs", "BTCUSD"),
    Kind.FOREX: ("a currency pair", "currency pairs", "EURUSD"),
    Kind.CFD: ("a CFD", "CFDs", "AAPL or IBUS500"),
}
_QUARTERS = {3: "H", 6: "M", 9: "U", 12: "Z"}


def form_of(kind: Kind, now: datetime) -> str:
    """How one is written, with a month that still trades."""
    ahead = now + timedelta(days=45)
    quarter = (ahead.month + 2) // 3 * 3
    return WORDS[kind][2].format(month=f"{_QUARTERS[quarter]}{ahead.year}", day=_third_friday(ahead))


def _third_friday(month: datetime) -> str:
    first = month.replace(day=1)
    return f"{first + timedelta(days=(4 - first.weekday()) % 7 + 14):%y%m%d}"
