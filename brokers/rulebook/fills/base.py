"""The base model: options, index options, currencies, CFDs, and most of futures. Touch is not a fill."""

from dataclasses import replace
from decimal import Decimal

from brokers.rulebook.errors import BadInput
from brokers.rulebook.fills.market import ONE_HOUR, Outcome, Prices, Scan, filled, slipped, waits
from brokers.rulebook.fills.opening import session_open
from brokers.rulebook.fills.prices import (
    fresh,
    is_stale,
    last_trade,
    must_wait,
    own_side,
    quoted,
    stale_caution,
)
from brokers.rulebook.values import Order


def needed(price: Decimal | None, name: str) -> Decimal:
    if price is None:
        raise BadInput(name, problem="this order type needs it")
    return price


def market(scan: Scan) -> Outcome:
    """At the ask for buys, the bid for sells, in the regular session."""
    return market_at(scan, own_side(scan), open_now=session_open(scan))


def market_at(scan: Scan, prices: Prices | None, *, open_now: bool) -> Outcome:
    """At the current price of its side; a bar that starts after the order fills at its open."""
    if prices is None or not open_now:
        return waits(scan)
    caution = None
    if is_stale(prices.end, scan):
        if must_wait(prices.end, scan):
            return waits(scan)
        caution = stale_caution(prices.end)
    long_bar = scan.feed.bar_length >= ONE_HOUR
    price = prices.open if long_bar and scan.ordered_at <= prices.start else prices.close
    return filled(scan, slipped(scan, price), caution=caution)


def limit(scan: Scan) -> Outcome:
    """Within the limit, on a bar that ended after the order."""
    if not session_open(scan, extended=scan.feed.extended_hours):
        return waits(scan)
    price = limit_price(scan, fresh(own_side(scan), scan), needed(scan.order.limit_price, "limit_price"))
    return waits(scan) if price is None else filled(scan, price)


def limit_price(scan: Scan, prices: Prices | None, limit_at: Decimal) -> Decimal | None:
    """The price must go through the limit; the fill is the worst the bar allows within it."""
    if prices is None:
        return None
    if scan.order.is_buy:
        return min(prices.high, limit_at) if prices.low < limit_at else None
    return max(prices.low, limit_at) if prices.high > limit_at else None


def stop_market(scan: Scan) -> Outcome:
    return stop_at(scan, extended=False)


def stop_at(scan: Scan, *, extended: bool) -> Outcome:
    """Beyond the stop, at the stop or where the bar closed, whichever is worse."""
    prices = fresh(own_side(scan), scan)
    if prices is None or not session_open(scan, extended=extended):
        return waits(scan)
    stop = needed(scan.order.stop_price, "stop_price")
    if scan.order.is_buy:
        return filled(scan, max(stop, slipped(scan, prices.close))) if prices.high > stop else waits(scan)
    return filled(scan, min(stop, slipped(scan, prices.close))) if prices.low < stop else waits(scan)


def stop_limit(scan: Scan) -> Outcome:
    """Triggered once beyond the stop, and remembered; then a limit on the closing price."""
    prices = fresh(own_side(scan), scan)
    if prices is None or not session_open(scan, extended=scan.feed.extended_hours):
        return waits(scan)
    order = scan.order
    stop, limit_at = needed(order.stop_price, "stop_price"), needed(order.limit_price, "limit_price")
    beyond = prices.high > stop if order.is_buy else prices.low < stop
    if not (beyond or order.stop_triggered):
        return waits(scan)
    triggered = replace(order, stop_triggered=True)
    if order.is_buy and prices.close < limit_at:
        return filled(scan, min(prices.high, limit_at), order=triggered)
    if not order.is_buy and prices.close > limit_at:
        return filled(scan, max(prices.low, limit_at), order=triggered)
    return waits(scan, triggered)


def touched(scan: Scan) -> Order | None:
    """The order with its trigger touched, once a trade after the order reached it; None while it waits."""
    traded = fresh(last_trade(scan), scan)
    if traded is None or not session_open(scan, extended=scan.feed.extended_hours):
        return None
    trigger = needed(scan.order.trigger_price, "trigger_price")
    reached = traded.low <= trigger if scan.order.is_buy else traded.high >= trigger
    return replace(scan.order, trigger_touched=True) if reached or scan.order.trigger_touched else None


def market_if_touched(scan: Scan) -> Outcome:
    """Touched, then filled as a market order is."""
    order = touched(scan)
    return waits(scan) if order is None else replace(market(scan), order=order)


def limit_if_touched(scan: Scan) -> Outcome:
    """Touched, then filled at the limit as soon as the far side allows: optimistic, as in Lean (decision 0021)."""
    order = touched(scan)
    if order is None:
        return waits(scan)
    limit_at = needed(order.limit_price, "limit_price")
    far_side = quoted(scan, bid=order.is_buy)
    if far_side is None:
        return waits(scan, order)
    reached = far_side <= limit_at if order.is_buy else far_side >= limit_at
    return filled(scan, limit_at, order=order) if reached else waits(scan, order)
