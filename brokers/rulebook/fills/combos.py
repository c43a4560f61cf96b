"""Combos: every leg fills or none does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from brokers.rulebook.calendars import Calendar
from brokers.rulebook.errors import BadInput, UnsupportedOrderType
from brokers.rulebook.fills.base import limit_price
from brokers.rulebook.fills.market import Feed, Market, Prices, Scan, Settings, slipped
from brokers.rulebook.fills.opening import session_open
from brokers.rulebook.fills.prices import fresh, own_side
from brokers.rulebook.values import ZERO, Order
from brokers.rulebook.words import AssetClass, OrderType

SHARES_PER_RATIO = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One leg; its signed quantity is the group's quantity times its ratio."""

    symbol: str
    asset_class: str
    quantity: Decimal
    ratio: Decimal
    market: Market
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFill:
    """One filled leg: quantity signed, price per unit in the leg's currency."""

    symbol: str
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ComboOutcome:
    """All legs or none; `net_price` is what a net limit was compared with."""

    fills: tuple[LegFill, ...] = ()
    net_price: Decimal | None = None

    @property
    def filled(self) -> bool:
        return bool(self.fills)


NOT_FILLED = ComboOutcome()


@dataclass(frozen=True, slots=True, kw_only=True)
class Combo:
    """A group order and the moment it is looked at; `needs_session` also holds net limits to regular hours."""

    type: str
    quantity: Decimal
    legs: Sequence[Leg]
    ordered_at: datetime
    now: datetime
    calendar: Calendar
    limit_price: Decimal | None = None
    feed: Feed = field(default_factory=Feed)
    settings: Settings = field(default_factory=Settings)
    needs_session: bool = False


def combo_fill(combo: Combo) -> ComboOutcome:
    """One look at a combo; UnsupportedOrderType for a type that is none, BadInput for a limit that is missing."""
    rule = _RULES.get(combo.type)
    if rule is None:
        raise UnsupportedOrderType(combo.type)
    if not combo.legs or combo.quantity == 0:
        return NOT_FILLED
    return rule(combo, [_scan(combo, leg) for leg in combo.legs])


def _market(combo: Combo, scans: list[Scan]) -> ComboOutcome:
    """Each leg at its own ask or bid, in the regular session of every leg."""
    prices = [own_side(scan) for scan in scans]
    if not all(session_open(scan) for scan in scans):
        return NOT_FILLED
    closes = [slipped(scan, price.close) for scan, price in zip(scans, prices, strict=True) if price is not None]
    return _fills(combo, closes) if len(closes) == len(scans) else NOT_FILLED


def _net_limit(combo: Combo, scans: list[Scan]) -> ComboOutcome:
    """The net of all lows (bought) or all highs (sold) must be strictly better than the net limit."""
    if combo.limit_price is None:
        raise BadInput("group_limit_price", problem="a combo limit order needs it")
    if combo.needs_session and not all(session_open(scan, extended=combo.feed.extended_hours) for scan in scans):
        return NOT_FILLED
    buy = combo.quantity > 0
    prices = [_edge(own_side(scan), combo, buy=buy) for scan in scans]
    edges = [price for price in prices if price is not None]
    if len(edges) < len(scans):
        return NOT_FILLED
    net = sum((_weight(leg) * price for leg, price in zip(combo.legs, edges, strict=True)), ZERO)
    better = net < combo.limit_price if buy else net > combo.limit_price
    return _fills(combo, edges, net) if better else ComboOutcome(net_price=net)


def _leg_limits(combo: Combo, scans: list[Scan]) -> ComboOutcome:
    """Every leg must pass its own limit."""
    prices: list[Decimal] = []
    for leg, scan in zip(combo.legs, scans, strict=True):
        if leg.limit_price is None:
            raise BadInput("limit_price", problem=f"the leg {leg.symbol} needs one")
        price = limit_price(scan, fresh(own_side(scan), scan), leg.limit_price)
        if price is None or not session_open(scan, extended=scan.feed.extended_hours):
            return NOT_FILLED
        prices.append(price)
    return _fills(combo, prices)


_RULES: dict[str, Callable[[Combo, list[Scan]], ComboOutcome]] = {
    OrderType.COMBO_MARKET: _market,
    OrderType.COMBO_LIMIT: _net_limit,
    OrderType.COMBO_LEG_LIMIT: _leg_limits,
}


def _scan(combo: Combo, leg: Leg) -> Scan:
    return Scan(
        order=Order(type=combo.type, quantity=leg.quantity),
        ordered_at=combo.ordered_at,
        market=leg.market,
        now=combo.now,
        calendar=combo.calendar,
        feed=combo.feed,
        settings=combo.settings,
    )


def _edge(prices: Prices | None, combo: Combo, *, buy: bool) -> Decimal | None:
    # Not strict here: a bar that ends at the very instant of the order counts.
    if prices is None or prices.end < combo.ordered_at:
        return None
    return prices.low if buy else prices.high


def _weight(leg: Leg) -> Decimal:
    return leg.ratio / SHARES_PER_RATIO if leg.asset_class == AssetClass.EQUITY else leg.ratio


def _fills(combo: Combo, prices: Sequence[Decimal], net: Decimal | None = None) -> ComboOutcome:
    return ComboOutcome(
        fills=tuple(
            LegFill(symbol=leg.symbol, quantity=leg.quantity, price=price)
            for leg, price in zip(combo.legs, prices, strict=True)
        ),
        net_price=net,
    )
