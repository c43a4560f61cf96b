"""A change of an order in the words that people read."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from brokers.domain.orders import Side
from brokers.domain.sentences import all_of, grouped
from brokers.models import Order

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


def of_a_combo(order: Order) -> str:
    """A sentence on what a price of an order for a combo is, behind another one; "" of other orders."""
    if order.conid >= 0:
        return ""
    way = "what it costs" if order.side == Side.BUY else "what it brings in"
    return f" The limit is the price of one combo, both legs together, above zero: {way}."
