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
    FUTURE_OPTION = "future_option"
    CRYPTO = "crypto"
    FOREX = "forex"
    CFD = "cfd"

    @property
    def is_traded(self) -> bool:
        return str(self) in AssetClass._value2member_map_

    @property
    def is_option(self) -> bool:
        """Whether it is named by what it is on and its parts."""
        return self in _OPTIONS


_OPTIONS = frozenset({Kind.OPTION, Kind.FUTURE_OPTION})
# One of them, many of them, and how they are written.
WORDS = {
    Kind.STOCK: ("a stock", "stocks", "SPY or BRK.B"),
    Kind.FUTURE: ("a future", "futures", "MNQ or MNQ{month}"),
    Kind.OPTION: ("an option", "options", "SPY {day}C600"),
    Kind.FUTURE_OPTION: ("an option on a future", "options on futures", "ES{month} {day}C6400"),
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
