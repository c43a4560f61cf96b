"""How many: the quantity of an entry, and the price an order asks for."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from brokers.domain.orders import AssetClass, OrderType, Side
from brokers.domain.snapshot import Snapshot
from strategies.domain.message import Message
from strategies.domain.numbers import plain
from strategies.domain.plan import Rejection, Terms


def quantity(message: Message, terms: Terms, snapshot: Snapshot) -> Decimal | Rejection:
    """Whole shares or contracts for an entry: the signal's quantity, else the subscription's. Never a hidden 1."""
    wanted = message.quantity if message.quantity is not None else terms.quantity
    if wanted is None:
        return Rejection(
            rule="S01",
            code="quantity-required",
            reason="Neither the signal nor the subscription says how many. Send `quantity`, or set one in the terms.",
        )
    whole = whole_units(wanted, snapshot)
    if whole <= 0:
        return Rejection(
            rule="S02",
            code="quantity-zero",
            reason=f"{plain(wanted)} is less than one whole unit, and IBKR takes no fractions here. Send at least 1.",
        )
    if terms.max_quantity is not None and whole > terms.max_quantity:
        return Rejection(
            rule="G01",
            code="quantity-over-limit",
            reason=f"{plain(whole)} is more than this subscription's limit of {plain(terms.max_quantity)} an order.",
        )
    return whole


def whole_units(wanted: Decimal, snapshot: Snapshot) -> Decimal:
    """Cut to whole units; forex is traded in whole units of the base currency as well."""
    return wanted.to_integral_value(ROUND_FLOOR)


def limit_price(message: Message, order_type: OrderType, side: Side, snapshot: Snapshot) -> Decimal | Rejection | None:
    """The limit of a limit order on the tick grid: a sell is rounded up, a buy down. None for a market order."""
    if order_type is not OrderType.LIMIT:
        return None
    wanted = message.order.limit if message.order.limit is not None else message.signal_price
    if wanted is None:
        return Rejection(
            rule="P01",
            code="price-required",
            reason="Limit orders need a price here: send `limitPrice` (or `price`) in the signal.",
        )
    tick = snapshot.contract.tick
    steps = (wanted / tick).to_integral_value(ROUND_CEILING if side is Side.SELL else ROUND_FLOOR)
    rounded = steps * tick
    if rounded <= 0:
        return Rejection(
            rule="P02",
            code="invalid-limit-price",
            reason=f"A limit of {plain(wanted)} is below one tick of {plain(tick)}. Check `limitPrice`.",
        )
    return rounded


def unit(asset_class: AssetClass, count: Decimal) -> str:
    """ "share", "contracts" ... for sentences."""
    name = {AssetClass.STOCK: "share", AssetClass.FUTURE: "contract", AssetClass.FOREX: "unit"}[asset_class]
    return name if count == 1 else f"{name}s"
