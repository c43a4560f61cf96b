"""Trailing stops: the distance is kept, never loosened; the trigger is tested before the stop moves."""

from dataclasses import replace
from decimal import Decimal

from brokers.rulebook.fills.base import needed
from brokers.rulebook.fills.market import Outcome, Scan, filled, slipped, waits
from brokers.rulebook.fills.opening import session_open
from brokers.rulebook.fills.prices import fresh, own_side


def initial_stop(price: Decimal, amount: Decimal, *, as_percentage: bool, buy: bool) -> Decimal:
    """The stop at a price: `amount` in money per unit, or with `as_percentage` a fraction of the price."""
    distance = price * amount if as_percentage else amount
    return price + distance if buy else price - distance


def moved_stop(stop: Decimal, price: Decimal, amount: Decimal, *, as_percentage: bool, buy: bool) -> Decimal | None:
    """Where the stop goes when the market moved away by more than the amount; None where it stays."""
    distance = stop - price if buy else price - stop
    allowed = price * amount if as_percentage else amount
    if distance <= allowed:
        return None
    return initial_stop(price, amount, as_percentage=as_percentage, buy=buy)


def trailing_stop(scan: Scan) -> Outcome:
    """Filled at the stop or where the bar closed, whichever is worse; else the stop follows the bar."""
    prices = fresh(own_side(scan), scan)
    if prices is None or not session_open(scan):
        return waits(scan)
    order, buy = scan.order, scan.order.is_buy
    stop = needed(order.stop_price, "stop_price")
    if buy and prices.high >= stop:
        return filled(scan, max(stop, slipped(scan, prices.close)))
    if not buy and prices.low <= stop:
        return filled(scan, min(stop, slipped(scan, prices.close)))
    moved = moved_stop(
        stop,
        prices.low if buy else prices.high,
        needed(order.trailing_amount, "trailing_amount"),
        as_percentage=order.trailing_as_percentage,
        buy=buy,
    )
    return waits(scan, None if moved is None else replace(order, stop_price=moved))
