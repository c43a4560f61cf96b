"""Cash accounts and currency pairs: what is held pays, open orders reserve, nothing is sold short."""

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_DOWN, Decimal

from brokers.rulebook.errors import BadInput
from brokers.rulebook.margin.security import Sufficiency
from brokers.rulebook.pricing import own_price
from brokers.rulebook.values import ONE, ZERO, OpenOrder, Order
from brokers.rulebook.words import OrderType

FeeOf = Callable[[Decimal], Decimal]
MOST_STEPS = 500
RESERVING = frozenset({OrderType.LIMIT, OrderType.STOP_MARKET})


def reserved(currency: str, open_orders: Iterable[OpenOrder], *, every_type: bool = False) -> Decimal:
    """How much of a currency working orders reserve: base for sales, quote for purchases."""
    total = ZERO
    for working in open_orders:
        order = working.order
        price = own_price(order) if every_type or order.type in RESERVING else None
        if price is None:
            continue
        left = abs(order.quantity) - abs(order.filled_quantity)
        if order.quantity < 0 and working.base == currency:
            total += left
        elif order.quantity > 0 and working.quote == currency:
            total += left * price
    return total


def cash_is_sufficient(
    order: Order,
    *,
    base: str,
    quote: str,
    price: Decimal,
    balances: Mapping[str, Decimal],
    open_orders: Iterable[OpenOrder] = (),
    fee_in_quote: Decimal = ZERO,
    fee_of: FeeOf = lambda quantity: ZERO,
    base_rate: Decimal = ONE,
    quote_rate: Decimal = ONE,
    lot_size: Decimal = ONE,
    reserve_every_type: bool = False,
) -> Sufficiency:
    """Whether a cash account can pay for a currency order, and what it takes: base currency for sales, quote for purchases.

    `base_rate` and `quote_rate` turn one unit of base and quote into account money; `fee_of` is in account money. Of
    priced orders only a plain limit counts its fee. Open stop-limit orders reserve nothing without `reserve_every_type`
    (decision 0021).
    """
    size = abs(order.quantity)
    pays_in = quote if order.is_buy else base
    free = balances.get(pays_in, ZERO) - reserved(pays_in, open_orders, every_type=reserve_every_type)
    if not order.is_buy:
        return Sufficiency(size <= free, size)
    if order.type == OrderType.MARKET:
        held = balances.get(base, ZERO) * base_rate
        most = max_quantity_for_value(
            free * quote_rate + held, held, unit_price=price * quote_rate, lot_size=lot_size, fee_of=fee_of
        )
        return Sufficiency(size <= abs(most), size * price)
    own = own_price(order)
    required = size * (price if own is None else own)
    if order.type == OrderType.LIMIT:
        required += fee_in_quote
    return Sufficiency(required <= free, required)


def max_quantity_for_value(
    target_value: Decimal,
    base_value: Decimal,
    *,
    unit_price: Decimal,
    lot_size: Decimal,
    fee_of: FeeOf = lambda quantity: ZERO,
) -> Decimal:
    """The most to trade so that the holding is worth the target after the fee; negative sells. All in account money."""
    if unit_price <= 0 or lot_size <= 0:
        raise BadInput("price and lot_size", problem="both must be more than zero")
    room = abs(target_value - base_value)
    quantity = _lots(room / unit_price, lot_size)
    for _ in range(MOST_STEPS):
        cost = quantity * unit_price + fee_of(quantity)
        if cost <= room or quantity <= 0:
            break
        smaller = _lots(quantity * room / cost, lot_size)
        # Rounding may leave the quantity where it is, so at least one lot goes each time.
        quantity = smaller if smaller < quantity else quantity - lot_size
    else:
        quantity = ZERO
    quantity = max(quantity, ZERO)
    return quantity if target_value > base_value else -quantity


def _lots(quantity: Decimal, lot_size: Decimal) -> Decimal:
    return (quantity / lot_size).to_integral_value(ROUND_DOWN) * lot_size
