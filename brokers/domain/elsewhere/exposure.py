"""What orders placed elsewhere may still add to a position, and the money that has to be kept for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.orders import AssetClass, Side

ZERO = Decimal(0)
# What a share has to be paid with when it is bought: half of it in a margin account, all of it where nothing is lent.
MARGIN_OF_A_SHARE = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A working order that is not ours. `price` is its limit, else its trigger; None where it trades at any price."""

    conid: int
    asset_class: str
    side: Side
    remaining: Decimal
    price: Decimal | None = None
    currency: str = ""
    is_stop: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """Units that working orders placed elsewhere may still buy and sell in one contract."""

    buying: Decimal = ZERO
    selling: Decimal = ZERO

    def on(self, side: Side) -> Decimal:
        return self.buying if side is Side.BUY else self.selling


NOTHING_ADDED = Added()


def added(orders: Iterable[Working], position: Decimal) -> Added:
    """What may be added to a position of either side. A way out adds nothing: as far as an order closes what is held."""
    buying = sum((order.remaining for order in orders_of(orders, Side.BUY)), ZERO)
    selling = sum((order.remaining for order in orders_of(orders, Side.SELL)), ZERO)
    return Added(max(buying - max(-position, ZERO), ZERO), max(selling - max(position, ZERO), ZERO))


def orders_of(orders: Iterable[Working], side: Side) -> list[Working]:
    """Those of a side. Of one side nobody knows which fill first, so all of them count."""
    return [order for order in orders if order.side is side]


def kept_back(
    orders: Iterable[Working],
    positions: Mapping[int, Decimal],
    rates: Mapping[str, Decimal],
    *,
    cash_account: bool = False,
) -> Decimal:
    """Money that orders in shares placed elsewhere will need when they fill, in the account's currency.

    `rates`: what one unit of a currency is in the account's. Orders at any price, and of other classes, whose margin
    nobody tells, are left out: IBKR refuses what the account cannot carry.
    """
    share = Decimal(1) if cash_account else MARGIN_OF_A_SHARE
    by_conid: dict[int, list[Working]] = {}
    for order in orders:
        if order.asset_class == AssetClass.STOCK and order.price is not None and order.currency in rates:
            by_conid.setdefault(order.conid, []).append(order)
    total = ZERO
    for conid, here in by_conid.items():
        grows = added(here, positions.get(conid, ZERO))
        for side in (Side.BUY, Side.SELL):
            dearest = max((_worth(order, rates) for order in orders_of(here, side)), default=ZERO)
            total += grows.on(side) * dearest * share
    return total


def _worth(order: Working, rates: Mapping[str, Decimal]) -> Decimal:
    assert order.price is not None, "orders at any price are left out"
    return order.price * rates[order.currency]


def made_elsewhere(held: Decimal, ours: Decimal) -> Decimal:
    """How much of a holding no order of ours explains; `ours` is what ours have bought less what they have sold."""
    if held * ours <= 0:
        return abs(held)
    return max(abs(held) - abs(ours), ZERO)
