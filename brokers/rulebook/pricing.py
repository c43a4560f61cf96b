"""Prices and quantities of an order: ticks, lots, reference prices and what the order is worth."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from brokers.rulebook import tables
from brokers.rulebook.errors import BadInput
from brokers.rulebook.values import ONE, Instrument, Order
from brokers.rulebook.words import LIMIT_PRICED, STOP_PRICED, AssetClass, OrderType

_TICKS = tables.read("models")["ticks"]


def round_quantity(quantity: Decimal, lot_size: Decimal) -> Decimal:
    """Whole lots, what is left over is cut toward zero."""
    if lot_size <= 0:
        raise BadInput("lot_size", problem="it must be more than zero")
    return (quantity / lot_size).to_integral_value(ROUND_DOWN) * lot_size


def round_price(price: Decimal, tick: Decimal) -> Decimal:
    """The nearest tick; half a tick goes to the even one."""
    if tick <= 0:
        raise BadInput("tick", problem="it must be more than zero")
    return (price / tick).to_integral_value(ROUND_HALF_EVEN) * tick


def min_tick(instrument: Instrument, order_price: Decimal) -> Decimal:
    """The price step at a price; the order's own price decides, not the market's."""
    row = _tick_row(instrument)
    if row is not None:
        return Decimal(row["tick_below"] if order_price < Decimal(row["below"]) else row["tick"])
    if instrument.tick is None:
        raise BadInput("tick", problem=f"{instrument.asset_class} has no tick of its own, the instrument must state it")
    return instrument.tick


def _tick_row(instrument: Instrument) -> dict[str, str] | None:
    if instrument.asset_class == AssetClass.EQUITY:
        row: dict[str, str] = _TICKS["equity"]
        return row
    if instrument.asset_class != AssetClass.INDEX_OPTION:
        return None
    rows: dict[str, dict[str, str]] = _TICKS["index_option"]
    if instrument.symbol in rows:
        return rows[instrument.symbol]
    return None if instrument.tick is not None else rows["*"]


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
    """What the order is worth in account currency, signed; the cautious side of its own price and the market's."""
    reference = own_price(order)
    if reference is None:
        reference = price
    elif order.quantity > 0:
        reference = min(reference, price)
    else:
        reference = max(reference, price)
    return order.quantity * reference * multiplier * fx_rate


def exercise_value(order: Order, instrument: Instrument, *, fx_rate: Decimal = ONE) -> Decimal:
    """What the underlying costs at the strike."""
    if instrument.strike is None:
        raise BadInput("strike", problem="an option needs one")
    unit = instrument.multiplier if instrument.contract_unit is None else instrument.contract_unit
    return order.quantity * unit * instrument.strike * fx_rate
