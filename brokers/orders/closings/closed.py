"""How a closing ended, for people: when it was done, at what price, and with what result."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from django.db.models import Sum

from accounts.templatetags.ui import average as average_price
from accounts.templatetags.ui import signed_money
from brokers.domain.sentences import grouped
from brokers.models import Closing, Execution, Order
from brokers.rulebook.products.abroad import unit_of

CENT = Decimal("0.01")
ZERO = Decimal(0)


def in_words(closing: Closing, orders: Iterable[Order], now: datetime) -> str:
    """The sentence of a closing that is done; `orders` are those sent for it."""
    filled = [order for order in orders if order.filled_quantity and order.average_price is not None]
    if not filled:
        return f"IBKR shows no position in it any more, as of {now:%H:%M:%S} UTC. No order of this close has filled."
    first = filled[0]
    quantity = sum((order.filled_quantity for order in filled), ZERO)
    worth = sum((order.filled_quantity * (order.average_price or ZERO) for order in filled), ZERO)
    average = worth / quantity
    did = "Sold" if first.side == "sell" else "Bought back"
    at = max(order.filled_at or order.changed_at for order in filled)
    done = f"{did} {grouped(quantity)} at {average_price(average)} {unit_of(first.ticker, first.currency)}, done at {at:%H:%M:%S} UTC."
    return f"{done} {_result(closing, filled, quantity, average)}"


def _result(closing: Closing, filled: list[Order], quantity: Decimal, average: Decimal) -> str:
    first = filled[0]
    rows = Execution.objects.filter(order__in=[order.pk for order in filled])
    known = None if rows.filter(fee=None).exists() else rows.aggregate(sum=Sum("fee"))["sum"]
    sign = 1 if first.side == "sell" else -1
    return result_in_words(
        average, closing.average_cost, sign * quantity * first.multiplier, fees=known, currency=first.currency
    )


def result_in_words(
    average: Decimal, cost: Decimal | None, units: Decimal, *, fees: Decimal | None, currency: str
) -> str:
    """What a close made of `units`, above zero where a long position was sold, each times its multiplier."""
    if cost is None:
        return "The result is not known: IBKR named no average cost of the position."
    against = f"against an average cost of {average_price(cost)}"
    gained = (average - cost) * units
    if fees is None:
        return f"Result: {_profit(gained, currency)} {against}, before fees."
    return f"Result: {_profit(gained - fees, currency)} {against}, after {fees.quantize(CENT):,f} {currency} of fees."


def _profit(value: Decimal, currency: str) -> str:
    """Profit or loss to the cent; less than half a cent has no sign."""
    return signed_money(value.quantize(CENT, ROUND_HALF_EVEN), currency)
