"""A change of an order in the words that people read."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from brokers.domain.sentences import all_of, grouped

_NAMES = {
    "quantity": "size {}",
    "stop_price": "stop {}",
    "limit_price": "limit {}",
    "trail_amount": "trail {}",
    "trail_percent": "trail {} %",
}


def in_words(values: Mapping[str, Decimal]) -> str:
    """What a change changes: "stop 95 and size 4"."""
    return all_of(name.format(grouped(values[column])) for column, name in _NAMES.items() if column in values)
