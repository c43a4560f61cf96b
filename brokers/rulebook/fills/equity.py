"""Shares: trade data decides limits and stops, gaps fill at the open, a stop triggers on touch."""

from brokers.rulebook.fills.base import needed, touched
from brokers.rulebook.fills.market import Outcome, Scan, filled, slipped, waits
from brokers.rulebook.fills.opening import session_open
from brokers.rulebook.fills.prices import best_effort, fresh, must_wait, trades


def market(scan: Scan) -> Outcome:
    """At the best ask or bid there is; too old a price waits for the next bar."""
    if not session_open(scan):
        return waits(scan)
    best = best_effort(scan, buy=scan.order.is_buy)
    if best is None or (best.caution is not None and must_wait(best.end, scan)):
        return waits(scan)
    return filled(scan, slipped(scan, best.price), caution=best.caution)


def limit(scan: Scan) -> Outcome:
    """Trades through the limit fill at the open where it is better, else at the limit."""
    prices = fresh(trades(scan, after=scan.ordered_at), scan)
    if prices is None or not session_open(scan, extended=scan.feed.extended_hours):
        return waits(scan)
    at = needed(scan.order.limit_price, "limit_price")
    if scan.order.is_buy:
        return filled(scan, min(prices.open, at)) if prices.low < at else waits(scan)
    return filled(scan, max(prices.open, at)) if prices.high > at else waits(scan)


def stop_market(scan: Scan) -> Outcome:
    """Trades at the stop or beyond fill at the stop, or at the open where a gap passed it."""
    prices = fresh(trades(scan, after=scan.ordered_at), scan)
    if prices is None or not session_open(scan):
        return waits(scan)
    stop = needed(scan.order.stop_price, "stop_price")
    if scan.order.is_buy:
        return filled(scan, slipped(scan, max(prices.open, stop))) if prices.high >= stop else waits(scan)
    return filled(scan, slipped(scan, min(prices.open, stop))) if prices.low <= stop else waits(scan)


def limit_if_touched(scan: Scan) -> Outcome:
    """Touched, then filled at the side it really trades against."""
    order = touched(scan)
    if order is None:
        return waits(scan)
    best = best_effort(scan, buy=order.is_buy)
    at = needed(order.limit_price, "limit_price")
    if best is not None and (best.price <= at if order.is_buy else best.price >= at):
        return filled(scan, best.price, order=order, caution=best.caution)
    return waits(scan, order)
