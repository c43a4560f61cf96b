"""Share splits of US equities, applied to open orders and holdings. Factor = old shares / new shares."""

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal

from brokers.rulebook.errors import BadInput
from brokers.rulebook.values import ZERO, Order, Position
from brokers.rulebook.words import AssetClass, OrderType

_FINE = Decimal("0.000000000000001")
_TOUCHED = frozenset({OrderType.LIMIT_IF_TOUCHED, OrderType.MARKET_IF_TOUCHED})
_LIMIT_ADJUSTED = frozenset(
    {
        OrderType.LIMIT,
        OrderType.STOP_LIMIT,
        OrderType.LIMIT_IF_TOUCHED,
        OrderType.TRAILING_STOP_LIMIT,
        OrderType.MIDPRICE,
    }
)
_STOP_ADJUSTED = frozenset(
    {OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT}
)


@dataclass(frozen=True, slots=True)
class SplitOrder:
    """The order after the split; `canceled` carries the reason when nothing is left of it."""

    order: Order
    canceled: str | None = None


@dataclass(frozen=True, slots=True)
class SplitHolding:
    position: Position
    cash_in_lieu: Decimal


def split_applies(asset_class: str, event: str) -> bool:
    """Only the split itself moves orders, not its announcement."""
    return asset_class == AssetClass.EQUITY and event == "occurred"


def split_order(order: Order, factor: Decimal) -> SplitOrder:
    """Quantity and prices after the split; ticks and lots are rounded by the update that follows."""
    _check(factor)
    adjusted = replace(
        order,
        quantity=_whole(order.quantity / factor),
        limit_price=_scaled(order.limit_price, factor, order.type in _LIMIT_ADJUSTED),
        stop_price=_scaled(order.stop_price, factor, order.type in _STOP_ADJUSTED),
        trigger_price=_scaled(order.trigger_price, factor, order.type in _TOUCHED),
        trailing_amount=_scaled(order.trailing_amount, factor, not order.trailing_as_percentage),
    )
    return SplitOrder(adjusted, "split_quantity_zero" if adjusted.quantity == 0 else None)


def split_holding(asset_class: str, position: Position, factor: Decimal, reference_price: Decimal) -> SplitHolding:
    """Whole shares stay; the fraction is paid in cash at the adjusted price."""
    _check(factor)
    if asset_class != AssetClass.EQUITY:
        return SplitHolding(position, ZERO)
    exact = position.quantity / factor
    kept = _whole(exact)
    return SplitHolding(
        Position(quantity=kept, average_price=position.average_price * factor),
        (exact - kept) * reference_price * factor,
    )


def _check(factor: Decimal) -> None:
    if factor <= 0:
        raise BadInput("split_factor", problem="it must be more than zero")


def _scaled(price: Decimal | None, factor: Decimal, applies: bool) -> Decimal | None:
    return price * factor if applies and price is not None else price


def _whole(quantity: Decimal) -> Decimal:
    # Ten for seven is no finite factor: what it lacks behind its last digit is no fraction of a share.
    return quantity.quantize(_FINE).to_integral_value(ROUND_DOWN)
