"""Whether the session a rule needs is open, counting the bar that is just ending."""

from datetime import datetime

from brokers.rulebook.fills.market import ONE_HOUR, Market, Scan


def session_open(scan: Scan, *, extended: bool = False) -> bool:
    """Open now; or the last bar still runs (a long bar: ended on this local date) and touches an open session."""
    if scan.calendar.is_open(scan.now, extended=extended):
        return True
    span = last_span(scan.market)
    if span is None:
        return False
    start, end = span
    if end - start > ONE_HOUR:
        running = scan.calendar.local(end).date() == scan.calendar.local(scan.now).date()
    else:
        running = scan.now <= end
    return running and scan.calendar.is_open_during(start, end, extended=extended)


def last_span(market: Market) -> tuple[datetime, datetime] | None:
    """From when to when the newest piece of data is."""
    spans = [(bar.start, bar.end) for bar in (market.trade_bar, market.quote_bar) if bar is not None]
    if market.ticks:
        spans.append((market.ticks[-1].at, market.ticks[-1].at))
    return max(spans, key=lambda span: span[1]) if spans else None
