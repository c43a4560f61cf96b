"""A change of an order, as its row has it, in the words that people read."""

from __future__ import annotations

from brokers.domain.contracts.changes import with_end
from brokers.domain.orders import Side
from brokers.models import Order, OrderModification


def of(row: OrderModification) -> str:
    """What it changes, its order's end among it; "" where nothing says what it was to change."""
    return with_end(row.values(), row.lifetime)


def of_a_combo(order: Order) -> str:
    """A sentence on what a price of an order for a combo is, behind another one; "" of other orders."""
    if order.conid >= 0:
        return ""
    way = "what it costs" if order.side == Side.BUY else "what it brings in"
    return f" The limit is the price of one combo, both legs together, above zero: {way}."
