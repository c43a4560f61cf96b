"""Margin of shares, CFDs and currency pairs, and the arithmetic every margin rule shares."""

from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook.errors import BadInput
from brokers.rulebook.values import ONE, ZERO


def initial_margin(
    quantity: Decimal, price: Decimal, leverage: Decimal, *, multiplier: Decimal = ONE, fx_rate: Decimal = ONE
) -> Decimal:
    """Signed like the quantity, in account currency."""
    if leverage <= 0:
        raise BadInput("leverage", problem="it must be more than zero")
    return quantity * price * multiplier * fx_rate / leverage


def with_fee(margin: Decimal, fee: Decimal) -> Decimal:
    """The fee adds to what an order needs, whichever its direction."""
    return margin - fee if margin < 0 else margin + fee


def margin_remaining(*, total_value: Decimal, margin_used: Decimal, unsettled_cash: Decimal = ZERO) -> Decimal:
    return total_value - unsettled_cash - margin_used


def available_margin(
    *,
    total_value: Decimal,
    margin_used: Decimal,
    buy: bool,
    unsettled_cash: Decimal = ZERO,
    holding_quantity: Decimal = ZERO,
    holding_initial: Decimal = ZERO,
    holding_maintenance: Decimal = ZERO,
    required_free_fraction: Decimal = ZERO,
) -> Decimal:
    """What an order in one direction may use; opposing a position leaves room to close it and open the other side."""
    free = margin_remaining(total_value=total_value, margin_used=margin_used, unsettled_cash=unsettled_cash)
    opposes = holding_quantity < 0 if buy else holding_quantity > 0
    if opposes:
        free += holding_maintenance + abs(holding_initial)
    free -= total_value * required_free_fraction
    return max(free, ZERO)


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """Whether the money is there; `required` is absent where nothing is asked, as when a position only shrinks."""

    sufficient: bool
    required: Decimal | None = None


def only_reduces(holding_quantity: Decimal, order_quantity: Decimal) -> bool:
    return holding_quantity * order_quantity < 0 and abs(order_quantity) <= abs(holding_quantity)


def has_sufficient_margin(
    order_quantity: Decimal,
    order_margin: Decimal,
    free_margin: Decimal,
    *,
    holding_quantity: Decimal = ZERO,
    filled_quantity: Decimal = ZERO,
) -> Sufficiency:
    """Only the unfilled part counts, and equality is enough."""
    if order_quantity == 0 or only_reduces(holding_quantity, order_quantity):
        return Sufficiency(True)
    required = abs(order_margin)
    if filled_quantity:
        required = required * (abs(order_quantity) - abs(filled_quantity)) / abs(order_quantity)
    return Sufficiency(required <= free_margin, required)
