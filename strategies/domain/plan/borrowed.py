"""Shares that a short sale needs to borrow: what an entry is told where IBKR says that too few are to be had. Pure.

What IBKR says is of a moment, and it may find others: it refuses or holds the order in its own words. So it is sent.
"""

from __future__ import annotations

from datetime import datetime

from brokers.domain.orders import AssetClass, OrderIntent, Role, Side
from brokers.domain.sentences import grouped
from brokers.domain.snapshot import Snapshot


def sells_short(intent: OrderIntent) -> bool:
    """Whether an order opens a short position in a share."""
    opens = intent.role is Role.ENTRY and intent.side is Side.SELL
    return opens and intent.instrument.asset_class is AssetClass.STOCK


def note(intent: OrderIntent, snapshot: Snapshot, now: datetime) -> tuple[str, ...]:
    """What is said of a short sale before it leaves (R09); nothing where enough can be borrowed, or IBKR does not say."""
    borrow = snapshot.borrow
    if borrow is None or not sells_short(intent) or not borrow.is_of(now):
        return ()
    most, ticker = borrow.most, intent.instrument.ticker
    if most is None or most >= intent.quantity:
        return ()
    if not most:
        return (
            f"IBKR says that no shares of {ticker} can be borrowed now, so it may refuse this short sale, or hold it until "
            "there are some.",
        )
    return (
        f"IBKR says that {grouped(most)} shares of {ticker} can be borrowed now, and this sells {grouped(intent.quantity)} short: it "
        "may refuse the order, or hold it until there are more.",
    )
