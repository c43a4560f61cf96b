"""Ticks and lots: prices to the tick, quantities to whole lots."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from brokers.rulebook import tables
from brokers.rulebook.errors import BadInput
from brokers.rulebook.values import Instrument
from brokers.rulebook.words import AssetClass

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
