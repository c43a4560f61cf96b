"""When an order may trade, and when it ends by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from brokers.rulebook.gate import tif
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.catalogue.hours import calendar_of, is_open, session_end
from brokers.simulator.exchange.records import Order
from brokers.simulator.exchange.rules import asset_class

NEW_YORK = ZoneInfo("America/New_York")
LOCATING = (
    "Shares for this order are not immediately available for short sale. The order is held while they are located."
)
STOPS = frozenset({"STP", "STOP_LIMIT", "TRAIL", "TRAILLMT"})
AT_ONCE = frozenset({"IOC", "FOK"})


def hold(order: Order, setting: Any, now: float) -> None:
    """Hold an order as inactive for a while, as the broker does while it locates shares; after that it works."""
    options = setting if isinstance(setting, dict) else {"reason": setting if isinstance(setting, str) else ""}
    order.held_back = str(options.get("reason") or LOCATING)
    order.not_before = now + float(options.get("s", 3600))


def day_of(at: float) -> date:
    """The broker's day a moment belongs to."""
    return datetime.fromtimestamp(at, NEW_YORK).date()


def midnight_after(at: float) -> float:
    """The end of the broker's day a moment belongs to."""
    return _midnight(day_of(at) + timedelta(days=1))


def may_trade(order: Order, instrument: Instrument, at: float, *, always_open: bool, legs_sleep: bool = True) -> bool:
    """Whether an order may meet the market now; an auction follows the exchange's calendar even where the market never closes."""
    if always_open or order.auction:
        return True
    if legs_sleep and instrument.sec_type == "FUT" and _protects(order) and not order.outside_rth:
        # A leg of a future sleeps through the night unless it was told not to.
        return calendar_of(instrument).is_open(datetime.fromtimestamp(at, UTC))
    return is_open(instrument, at, extended=order.outside_rth)


def _protects(order: Order) -> bool:
    """Whether it is a leg of another order, or a stop that stands by itself or beside an exit."""
    return order.parent_id is not None or order.order_type in STOPS


def expires_at(order: Order, instrument: Instrument, at: float, *, always_open: bool) -> float | None:
    """The moment from which an order accepted now is over; None where something else ends it."""
    if order.auction or order.tif in AT_ONCE:
        return None
    if order.tif == "GTD":
        return order.good_till
    if order.tif == "GTC":
        return _end_of_next_quarter(at)
    if always_open:
        return midnight_after(at)
    if order.outside_rth:
        return session_end(instrument, at)
    moment = datetime.fromtimestamp(at, UTC)
    end = tif.expires_at(asset_class(instrument), "day", moment, calendar_of(instrument))
    return None if end is None else end.timestamp()


def _end_of_next_quarter(at: float) -> float:
    """The broker takes orders good till cancelled back at the end of the quarter after the one in which they were placed."""
    day = day_of(at)
    first = (day.month - 1) // 3 * 3 + 7
    return _midnight(date(day.year + (first - 1) // 12, (first - 1) % 12 + 1, 1))


def _midnight(day: date) -> float:
    return datetime.combine(day, datetime.min.time(), NEW_YORK).timestamp()
