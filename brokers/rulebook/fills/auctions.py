"""Opening and closing auctions, as the bars show them."""

from datetime import datetime

from brokers.rulebook.fills.market import ONE_HOUR, Outcome, Scan, filled, slipped, waits
from brokers.rulebook.fills.opening import session_open
from brokers.rulebook.fills.prices import best_effort, fresh, last_trade, own_side, trades


def equity_open(scan: Scan) -> Outcome:
    """The open of the first regular bar that starts after the order, of a session the order was not placed in."""
    prices = trades(scan)
    if prices is None or prices.start < scan.ordered_at or _own_session(scan, prices.start) or not session_open(scan):
        return waits(scan)
    if prices.end - prices.start < ONE_HOUR and not scan.calendar.is_open(prices.start):
        return waits(scan)
    return filled(scan, slipped(scan, prices.open))


def base_open(scan: Scan) -> Outcome:
    """The first prices once the regular session is open, not on the date of the order's own session."""
    prices = fresh(own_side(scan), scan)
    if prices is None or _own_session(scan, scan.now) or not session_open(scan):
        return waits(scan)
    return filled(scan, slipped(scan, prices.open))


def equity_close(scan: Scan) -> Outcome:
    """At or after the next regular close: the last trade, else the best quote there is."""
    if scan.now < scan.calendar.close_after(scan.ordered_at):
        return waits(scan)
    traded = last_trade(scan)
    if traded is not None:
        return filled(scan, slipped(scan, traded.close))
    best = best_effort(scan, buy=scan.order.is_buy)
    return waits(scan) if best is None else filled(scan, slipped(scan, best.price), caution=best.caution)


def base_close(scan: Scan) -> Outcome:
    prices = own_side(scan)
    if prices is None or scan.now < scan.calendar.close_after(scan.ordered_at):
        return waits(scan)
    return filled(scan, slipped(scan, prices.close))


def _own_session(scan: Scan, at: datetime) -> bool:
    """Whether an instant is on the date of the regular session that the order was placed in."""
    day = scan.calendar.local(scan.ordered_at).date()
    if scan.calendar.local(at).date() != day:
        return False
    opened = scan.calendar.regular_open(day)
    return opened is not None and scan.ordered_at >= opened
