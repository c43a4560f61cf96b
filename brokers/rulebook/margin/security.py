"""Margin of shares, CFDs and currency pairs, and the arithmetic every margin rule shares."""

from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook.errors import BadInput
from brokers.rulebook.values import ONE, ZERO, Account


def initial_margin(
    quantity: Decimal, price: Decimal, leverage: Decimal, *, multiplier: Decimal = ONE, fx_rate: Decimal = ONE
) -> Decimal:
    """The margin of a position in account currency, signed like the quantity; BadInput for a leverage of zero."""
    if leverage <= 0:
        raise BadInput("leverage", problem="it must be more than zero")
    return quantity * price * multiplier * fx_rate / leverage


def with_fee(margin: Decimal, fee: Decimal) -> Decimal:
    """The fee adds to what an order needs, whichever its direction."""
    return margin - fee if margin < 0 else margin + fee


def margin_remaining(account: Account) -> Decimal:
    """The account's worth without unsettled cash and margin in use, in its currency; below zero in a margin call."""
    return account.total_value - account.unsettled_cash - account.margin_used


def available_margin(
    account: Account,
    *,
    buy: bool,
    holding_quantity: Decimal = ZERO,
    holding_initial: Decimal = ZERO,
    holding_maintenance: Decimal = ZERO,
) -> Decimal:
    """Money of the account that an order in one direction may use as margin; never below zero.

    An order against a position has room to close it and to open the other side: the position's margins count as free.
    """
    free = margin_remaining(account)
    opposes = holding_quantity < 0 if buy else holding_quantity > 0
    if opposes:
        free += holding_maintenance + abs(holding_initial)
    free -= account.total_value * account.required_free_fraction
    return max(free, ZERO)


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """Whether the money is there; `required` is None where the order needs none, as when a position only shrinks."""

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
    """Whether free margin covers the unfilled part of the order; equality is enough."""
    if order_quantity == 0 or only_reduces(holding_quantity, order_quantity):
        return Sufficiency(True)
    required = abs(order_margin)
    if filled_quantity:
        required = required * (abs(order_quantity) - abs(filled_quantity)) / abs(order_quantity)
    return Sufficiency(required <= free_margin, required)
