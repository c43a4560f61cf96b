"""Prices as numbers become quotes: on the tick, never crossed, with sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from brokers.simulator.catalogue.instrument import Instrument

TICK_S = 0.25
# An option's spread beside its tick, as a part of its price; and an index CFD's, in ticks.
_OPTION_SPREAD = 0.015
_INDEX_CFD_TICKS = 40


@dataclass(frozen=True, slots=True)
class Quote:
    """The top of the book at a moment (epoch seconds)."""

    conid: int
    bid: Decimal
    ask: Decimal
    last: Decimal
    bid_size: int
    ask_size: int
    at: float

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class DayStats:
    """Open, high, low and yesterday's close."""

    open: Decimal
    high: Decimal
    low: Decimal
    prior_close: Decimal
    volume: int


def on_tick(price: float, instrument: Instrument) -> Decimal:
    """The nearest price an order may have, never nothing."""
    tick = instrument.tick(Decimal(price))
    return max(round(price / float(tick)) * tick, tick)


def quote_at(instrument: Instrument, price: float, bits: int, at: float) -> Quote:
    """A quote around a price."""
    if instrument.is_option:
        bid, ask = _option_sides(instrument, price)
    else:
        spread = _spread(instrument, price)
        tick = instrument.tick(Decimal(price))
        ticks = max(round(price / float(tick)), 1 + spread // 2)
        bid = (ticks - spread // 2) * tick
        ask = bid + spread * tick
    lot = 100 if instrument.sec_type == "STK" else 1
    return Quote(
        conid=instrument.conid,
        bid=bid,
        ask=ask,
        last=ask if bits & 1 else bid,
        bid_size=lot * (1 + (bits >> 8) % 12),
        ask_size=lot * (1 + (bits >> 16) % 12),
        at=at,
    )


def _spread(instrument: Instrument, price: float) -> int:
    """In ticks."""
    if instrument.sec_type == "STK":
        return 1 + int(price // 250)
    return _INDEX_CFD_TICKS if instrument.sec_type == "CFD" else 1


def _option_sides(instrument: Instrument, price: float) -> tuple[Decimal, Decimal]:
    half = price * _OPTION_SPREAD / 2
    low, high = Decimal(max(price - half, 0.0)), Decimal(price + half)
    tick = instrument.tick(low)
    bid = max(math.floor(low / tick) * tick, instrument.increment)
    tick = instrument.tick(high)
    ask = math.ceil(high / tick) * tick
    return bid, ask if ask > bid else bid + instrument.tick(bid)
