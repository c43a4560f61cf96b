"""Which orders of a plan IBKR can be asked to preview. Pure."""

from __future__ import annotations

from decimal import Decimal

from brokers.domain.orders import AssetClass, OrderIntent, Release, Role
from brokers.domain.snapshot import Snapshot
from strategies.domain.plan.approval import every_order
from strategies.domain.plan.plan import Plan


def previewed(plan: Plan) -> list[tuple[int, OrderIntent]]:
    """The orders that leave by themselves, and entries, each with its place among the plan's estimates.

    What protects an entry has no margin and no fee of its own until it fills.
    """
    return [
        (position, intent)
        for position, intent in enumerate(every_order(plan.intents))
        if intent.release is Release.AT_ONCE or intent.role is Role.ENTRY
    ]


def asks_first(plan: Plan, above: Decimal | None, snapshot: Snapshot) -> bool:
    """Whether an entry of the plan is worth more than `above` in the account's currency; None asks about none.

    What an entry is worth may not be known, for want of a price or a rate: then IBKR is asked.
    """
    if above is None:
        return False
    entries = [(place, each) for place, each in enumerate(every_order(plan.intents)) if each.role is Role.ENTRY]
    worths = [_worth(each, _price(plan, place), snapshot) for place, each in entries]
    return any(worth is None or worth > above for worth in worths)


def _price(plan: Plan, place: int) -> Decimal | None:
    return plan.estimates[place].price if place < len(plan.estimates) else None


def _worth(entry: OrderIntent, price: Decimal | None, snapshot: Snapshot) -> Decimal | None:
    contract, currency = snapshot.contract, snapshot.currency
    price = price or entry.limit_price or entry.stop_price
    if price is None:
        return None
    rate: Decimal | None = Decimal(1)
    if contract.currency != currency:
        rate = snapshot.rates.get(contract.currency)
        if (
            rate is None
            and contract.instrument.asset_class is AssetClass.FOREX
            and contract.instrument.ticker[:3] == currency
        ):
            rate = 1 / price if price else None
    return None if rate is None else abs(entry.quantity * price * contract.multiplier * rate)
