"""Share splits of US equities, applied to open orders and holdings, and to options on them. Factor = old shares / new shares.

Options follow the rule of the Options Clearing Corporation as it stands since September 2007 (SEC release 34-55258, file
SR-OCC-2006-01, Federal Register of 20 February 2007).
"""

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from brokers.rulebook.errors import BadInput
from brokers.rulebook.values import ZERO, Order, Position
from brokers.rulebook.words import AssetClass, OrderType

_FINE = Decimal("0.000000000000001")
_CENT = Decimal("0.01")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOption:
    """An option after a split of its share: `contracts` for each one of before, at this strike, each of which delivers so many
    shares (a fraction of one is paid in cash once it is exercised). `adjusted`: its terms are not those of a usual contract."""

    contracts: int
    strike: Decimal
    delivers: Decimal
    adjusted: bool


def split_option(strike: Decimal, delivers: Decimal, *, new: int, old: int) -> SplitOption:
    """What becomes of an option whose contract delivers so many shares, where `new` shares come for `old` ones.

    A whole number of shares for each one multiplies the contracts and divides their strike, to the cent. Any other split
    leaves number and strike as they were, and what a contract delivers changes: price and strike are counted in the hundreds
    of before, so that who exercises pays the same for 150 shares as for 100.
    """
    if new <= 0 or old <= 0:
        raise BadInput("split_factor", problem="it must be more than zero")
    if new % old == 0:
        times = new // old
        divided = max((strike / times).quantize(_CENT, ROUND_HALF_UP), _CENT)
        return SplitOption(contracts=times, strike=divided, delivers=delivers, adjusted=False)
    return SplitOption(contracts=1, strike=strike, delivers=delivers * new / old, adjusted=True)


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
