"""At what price, if any, an order trades against a quote."""

from __future__ import annotations

from decimal import Decimal

from brokers.simulator.market import Quote
from brokers.simulator.records import Order

_STOPS = frozenset({"STP", "STOP_LIMIT", "TRAIL", "TRAILLMT"})


def price_for(order: Order, quote: Quote) -> Decimal | None:
    """The fill price of a working order, or nothing when it has to wait. Marks a stop as triggered."""
    if order.order_type in _STOPS and not order.triggered and not _triggers(order, quote):
        return None
    touch = quote.ask if order.side == "BUY" else quote.bid
    if order.order_type == "MIDPRICE":
        return _within(order, quote.mid) if order.limit_price is not None else quote.mid
    if order.limit_price is not None and order.order_type in {"LMT", "LOC", "STOP_LIMIT", "TRAILLMT"}:
        return _within(order, touch)
    return touch


def _within(order: Order, price: Decimal) -> Decimal | None:
    assert order.limit_price is not None
    crossed = price <= order.limit_price if order.side == "BUY" else price >= order.limit_price
    return price if crossed else None


def _triggers(order: Order, quote: Quote) -> bool:
    if order.trailing_amount is not None:
        _trail(order, quote.last)
    if order.stop_price is None:
        return False
    if order.side == "BUY":
        order.triggered = quote.last >= order.stop_price
    else:
        order.triggered = quote.last <= order.stop_price
    return order.triggered


def _trail(order: Order, last: Decimal) -> None:
    """Drag the stop behind the market, never away from it."""
    assert order.trailing_amount is not None
    distance = last * order.trailing_amount / 100 if order.trailing_type == "%" else order.trailing_amount
    stop = (last + distance if order.side == "BUY" else last - distance).quantize(Decimal("0.00000001"))
    if order.stop_price is None:
        moved = stop
    elif order.side == "BUY":
        moved = min(order.stop_price, stop)
    else:
        moved = max(order.stop_price, stop)
    if order.limit_price is not None and order.stop_price is not None:
        order.limit_price += moved - order.stop_price
    order.stop_price = moved
