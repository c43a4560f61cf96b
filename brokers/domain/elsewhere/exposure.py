"""What orders placed elsewhere may still add to a position, and the money that has to be kept for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.orders import AssetClass, Side
from brokers.domain.sentences import grouped

ZERO = Decimal(0)
# What a share has to be paid with when it is bought: half of it in a margin account, all of it where nothing is lent.
MARGIN_OF_A_SHARE = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A working order that is not ours. `price` is its limit, else its trigger; None where it trades at any price.

    `mark` is what one unit costs now, where somebody has said so lately.
    """

    conid: int
    asset_class: str
    side: Side
    remaining: Decimal
    price: Decimal | None = None
    currency: str = ""
    is_stop: bool = False
    mark: Decimal | None = None
    ticker: str = ""

    @property
    def spoken(self) -> str:
        """ "buy 2 ES"."""
        return f"{self.side} {grouped(self.remaining)} {self.ticker or self.conid}"


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


@dataclass(frozen=True, slots=True)
class Claim:
    """Money that orders placed elsewhere will need when they fill, in the account's currency, and those not counted in it."""

    money: Decimal = ZERO
    uncounted: tuple[Working, ...] = ()


NO_CLAIM = Claim()


def kept_back(
    orders: Iterable[Working],
    positions: Mapping[int, Decimal],
    rates: Mapping[str, Decimal],
    *,
    cash_account: bool = False,
    in_parts: Collection[int] = (),
) -> Claim:
    """What orders placed elsewhere claim of an account's money, as far as they do not only close what is held.

    `rates`: what one unit of a currency is in the account's. Shares count at their price, else at what they cost now.
    What is left, and every other class, whose margin nobody tells, is named as not counted. `in_parts`: contracts priced in
    pence, in which nobody knows whether an order placed elsewhere is in pounds: these are named, too.
    """
    share = Decimal(1) if cash_account else MARGIN_OF_A_SHARE
    by_conid: dict[int, list[Working]] = {}
    for order in orders:
        by_conid.setdefault(order.conid, []).append(order)
    total, uncounted = ZERO, []
    for conid, here in by_conid.items():
        grows = added(here, positions.get(conid, ZERO))
        for side in (Side.BUY, Side.SELL):
            if not grows.on(side):
                continue
            known = {} if conid in in_parts else rates
            worths = [(order, _worth(order, known)) for order in orders_of(here, side)]
            total += grows.on(side) * max((worth for _, worth in worths if worth is not None), default=ZERO) * share
            uncounted += [order for order, worth in worths if worth is None]
    return Claim(total, tuple(uncounted))


def _worth(order: Working, rates: Mapping[str, Decimal]) -> Decimal | None:
    """What one unit is worth in the account's currency; None where nobody tells, or where its margin is another figure."""
    price = order.mark if order.price is None else order.price
    if order.asset_class != AssetClass.STOCK or price is None or order.currency not in rates:
        return None
    return price * rates[order.currency]


def made_elsewhere(held: Decimal, ours: Decimal) -> Decimal:
    """How much of a holding no order of ours explains; `ours` is what ours have bought less what they have sold."""
    if held * ours <= 0:
        return abs(held)
    return max(abs(held) - abs(ours), ZERO)
