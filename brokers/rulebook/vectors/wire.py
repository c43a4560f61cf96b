"""Our words and prices as the live gateway's fields."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from brokers.rulebook.calendars import Calendar
from brokers.rulebook.errors import UnknownWord, UnsupportedAssetClass, UnsupportedOrderType, UnsupportedTimeInForce
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import Order
from brokers.rulebook.vectors.rounding import round_price
from brokers.rulebook.words import COMBO_TYPES, SECURITY_TYPES, OrderType, TimeInForce

ORDER_TYPES: dict[str, str] = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP_MARKET: "STP",
    OrderType.STOP_LIMIT: "STP LMT",
    OrderType.TRAILING_STOP: "TRAIL",
    OrderType.LIMIT_IF_TOUCHED: "LIT",
    OrderType.MARKET_ON_OPEN: "MKT",
    OrderType.MARKET_ON_CLOSE: "MOC",
    OrderType.COMBO_MARKET: "MKT",
    OrderType.COMBO_LIMIT: "LMT",
    OrderType.COMBO_LEG_LIMIT: "LMT",
}
NO_HOLD = timedelta(0)
COMBO_SECURITY_TYPE = "BAG"
TIMES_IN_FORCE: dict[str, str] = {TimeInForce.DAY: "DAY", TimeInForce.GTC: "GTC", TimeInForce.GTD: "GTD"}
STATUSES: dict[str, str] = {
    "ApiPending": "new",
    "PendingSubmit": "new",
    "PreSubmitted": "submitted",
    "Submitted": "submitted",
    "PendingCancel": "cancel_pending",
    "ApiCancelled": "canceled",
    "Cancelled": "canceled",
    "Filled": "filled",
    "Inactive": "none",
}
NEVER_OUTSIDE_HOURS = frozenset({OrderType.MARKET, OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE})
# Each field: which price of the order it carries, by order type.
_PRICE_FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    OrderType.LIMIT: (("lmtPrice", "limit_price"),),
    OrderType.STOP_MARKET: (("auxPrice", "stop_price"),),
    OrderType.STOP_LIMIT: (("lmtPrice", "limit_price"), ("auxPrice", "stop_price")),
    OrderType.LIMIT_IF_TOUCHED: (("lmtPrice", "limit_price"), ("auxPrice", "trigger_price")),
    OrderType.TRAILING_STOP: (("trailStopPrice", "stop_price"),),
    OrderType.COMBO_LIMIT: (("lmtPrice", "group_limit_price"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFields:
    action: str
    total_quantity: Decimal
    fields: dict[str, Decimal]


def order_type_field(order_type: str) -> str:
    field = ORDER_TYPES.get(order_type)
    if field is None:
        raise UnsupportedOrderType(order_type)
    return field


def security_type_field(asset_class: str, order_type: str | None = None) -> str:
    """IBKR's word for an asset class; a combo is a bag of legs of any class."""
    if order_type in COMBO_TYPES:
        return COMBO_SECURITY_TYPE
    field = SECURITY_TYPES.get(asset_class)
    if field is None:
        raise UnsupportedAssetClass(asset_class)
    return field


def time_in_force_field(order_type: str, time_in_force: str) -> str:
    """The auctions decide for themselves: OPG for the opening, DAY for the close."""
    if order_type == OrderType.MARKET_ON_OPEN:
        return "OPG"
    if order_type == OrderType.MARKET_ON_CLOSE:
        return "DAY"
    field = TIMES_IN_FORCE.get(time_in_force)
    if field is None:
        raise UnsupportedTimeInForce(time_in_force)
    return field


def outside_hours_field(order_type: str, requested: bool | None) -> bool:
    """Only orders that rest in the book may work outside regular hours."""
    return bool(requested) and order_type in ORDER_TYPES and order_type not in NEVER_OUTSIDE_HOURS


def price_fields(order: Order, tick: Decimal) -> PriceFields:
    """Side, size and prices; prices on the tick, a trailing percentage as it is."""
    fields: dict[str, Decimal] = {}
    for name, attribute in _PRICE_FIELDS.get(order.type, ()):
        price: Decimal | None = getattr(order, attribute)
        if price is not None:
            fields[name] = round_price(price, tick)
    if order.type == OrderType.TRAILING_STOP and order.trailing_amount is not None:
        if order.trailing_as_percentage:
            fields["trailingPercent"] = order.trailing_amount * 100
        else:
            fields["auxPrice"] = round_price(order.trailing_amount, tick)
    return PriceFields(
        action="BUY" if order.is_buy else "SELL",
        total_quantity=abs(order.quantity).to_integral_value(ROUND_DOWN),
        fields=fields,
    )


def status_from(status: str) -> str:
    ours = STATUSES.get(status)
    if ours is None:
        raise UnknownWord(status, kind="order status", known=", ".join(STATUSES))
    return ours


def good_til_text(expiry: datetime) -> str:
    """The expiry as IBKR reads it."""
    return f"{expiry.astimezone(UTC):%Y%m%d %H:%M:%S} UTC"


def opening_hold(
    order_type: str, now: datetime, calendar: Calendar, rules: Ruleset, *, tradable_there: bool = True
) -> timedelta:
    """How long the live gateway keeps a market-on-open order back just after the close."""
    if order_type != OrderType.MARKET_ON_OPEN or not tradable_there:
        return NO_HOLD
    close = calendar.regular_close(calendar.local(now).date())
    if close is None:
        return NO_HOLD
    hold_until = close + timedelta(seconds=rules.policy.market_on_open_hold_seconds)
    return hold_until - now if close <= now < hold_until else NO_HOLD
