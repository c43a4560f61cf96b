"""A change of an order in the words that people read."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from brokers.domain.contracts import lifetimes
from brokers.domain.orders import Lifetime
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


def with_end(values: Mapping[str, Decimal], lifetime: Lifetime | None) -> str:
    """The same with the order's new end: "limit 95, and good till 2026-12-04 21:00 UTC"."""
    end = "" if lifetime is None else lifetimes.in_words(lifetime)
    return ", and ".join(part for part in (in_words(values), end) if part)
