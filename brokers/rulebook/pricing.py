"""Prices and quantities of an order: ticks, lots, reference prices and what the order is worth."""

from decimal import Decimal

from brokers.rulebook.errors import BadInput
from brokers.rulebook.values import ONE, Order
from brokers.rulebook.words import LIMIT_PRICED, STOP_PRICED, OrderType


def own_price(order: Order) -> Decimal | None:
    """The price written on the order itself: limit, net limit or stop; none for market types."""
    if order.type in LIMIT_PRICED:
        return _stated(order.limit_price, "limit_price")
    if order.type == OrderType.COMBO_LIMIT:
        return _stated(order.group_limit_price, "group_limit_price")
    if order.type in STOP_PRICED:
        return _stated(order.stop_price, "stop_price")
    return None


def _stated(price: Decimal | None, name: str) -> Decimal:
    if price is None:
        raise BadInput(name, problem="this order type needs it")
    return price


def order_value(order: Order, price: Decimal, *, multiplier: Decimal = ONE, fx_rate: Decimal = ONE) -> Decimal:
    """What the order is worth in account currency, signed.

    Its own price counts where it has one: the lower of it and the market's for buys, the higher for sells, as in Lean.
    """
    reference = own_price(order)
    if reference is None:
        reference = price
    elif order.quantity > 0:
        reference = min(reference, price)
    else:
        reference = max(reference, price)
    return order.quantity * reference * multiplier * fx_rate
