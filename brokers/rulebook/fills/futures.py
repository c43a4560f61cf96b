"""Futures and their options: market orders also fill in extended hours, stops where the order may work there."""

from brokers.rulebook.fills.base import market_at, stop_at
from brokers.rulebook.fills.market import Outcome, Scan
from brokers.rulebook.fills.opening import session_open
from brokers.rulebook.fills.prices import own_side


def market(scan: Scan) -> Outcome:
    return market_at(scan, own_side(scan), open_now=session_open(scan, extended=True))


def stop_market(scan: Scan) -> Outcome:
    return stop_at(scan, extended=scan.feed.extended_hours)
