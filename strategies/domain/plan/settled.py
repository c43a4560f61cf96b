"""Money of a cash account that is not settled: what an order that is paid with it, or sells what was, is told first.

A good-faith violation is the sale of what was bought with money of another sale, before that money has come. The sale makes
it, never the purchase, and a way out is never kept from the market: both are sent, with a note.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from brokers.domain.orders import AssetClass, OrderIntent, Role, Side
from brokers.domain.snapshot import Snapshot
from strategies.domain.plan.estimate import money

# Money of a sale comes on the next trading day; over a weekend with a holiday it takes four.
SETTLES_WITHIN = timedelta(days=4)
# What settles a trading day after its deal.
_LATER = frozenset({AssetClass.STOCK, AssetClass.OPTION})


def unsettled(snapshot: Snapshot) -> Decimal:
    """How much of the account's cash is of sales that have not settled; nothing where it borrows, or IBKR does not say."""
    if snapshot.account_type != "cash" or snapshot.cash is None or snapshot.settled_cash is None:
        return Decimal(0)
    return max(snapshot.cash - snapshot.settled_cash, Decimal(0))


def note(intent: OrderIntent, snapshot: Snapshot, cost: Decimal | None, now: datetime) -> tuple[str, ...]:
    """What is said of an order before it leaves (R06). `cost`: what a purchase takes, in the account's currency."""
    waiting = unsettled(snapshot)
    if not waiting or intent.instrument.asset_class not in _LATER:
        return ()
    if intent.role is Role.ENTRY:
        return _bought_with(intent, snapshot, cost)
    opened_at = snapshot.opened_at
    if intent.side is Side.BUY or opened_at is None or now - opened_at > SETTLES_WITHIN:
        return ()
    return (
        f"It was bought of late, and {money(waiting)} {snapshot.currency} of the cash are not settled: if it was paid with "
        "such money, this sale is a good-faith violation, and IBKR restricts an account that makes several.",
    )


def _bought_with(intent: OrderIntent, snapshot: Snapshot, cost: Decimal | None) -> tuple[str, ...]:
    settled = snapshot.settled_cash
    if intent.side is Side.SELL or cost is None or settled is None or cost <= settled:
        return ()
    return (
        f"Only {money(max(settled, Decimal(0)))} {snapshot.currency} of the cash are settled, so part of it is paid with money of a "
        "sale that has not come yet. To sell it before that is a good-faith violation: hold it until then.",
    )


def explained(snapshot: Snapshot) -> str:
    """Beside a refusal for want of money: how much of the cash waits; "" where none does."""
    waiting = unsettled(snapshot)
    return f" {money(waiting)} {snapshot.currency} of the cash are of sales and not settled yet." if waiting else ""
