"""Whether a person's change of an order can be made, by values alone: one sentence with a stable code for what cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from accounts.refusals import Refusal
from brokers.domain.orders import CHANGED_IN_PLACE, LIMITED, MAY_BE_CAPPED, OrderStatus, OrderType, Role, Side
from brokers.domain.sentences import any_of, grouped

# What may be changed of an order of each type, besides its size.
_PRICES: dict[OrderType, tuple[str, ...]] = {
    OrderType.STOP: ("stop_price",),
    OrderType.STOP_LIMIT: ("stop_price", "limit_price"),
    OrderType.TRAILING_STOP: ("trail_amount", "trail_percent"),
    OrderType.TRAILING_STOP_LIMIT: ("trail_amount", "trail_percent"),
    OrderType.MARKET_IF_TOUCHED: ("stop_price",),
    OrderType.LIMIT_IF_TOUCHED: ("stop_price", "limit_price"),
    **dict.fromkeys((LIMITED | MAY_BE_CAPPED) & {OrderType.LIMIT, OrderType.MIDPRICE}, ("limit_price",)),
}
_NAMES = {
    "stop_price": "stop",
    "limit_price": "limit",
    "trail_amount": "trail",
    "trail_percent": "trail in percent",
    "quantity": "size",
}
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_TRADES = frozenset({Role.ENTRY, Role.EXIT})


class NotChangeable(Refusal):
    """The order is not changed: the sentence says why, and what to do next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An order that is to be changed, with what its prices are held against. `tick_of` is its contract's tick at a price;
    `market` the price of the market, None where none is known."""

    role: Role
    side: Side
    type: OrderType
    status: OrderStatus
    quantity: Decimal
    filled: Decimal
    market: Decimal | None = None
    # How many units make a lot of its contract.
    lot: int = 1
    # Whether IBKR divides it among an advisor's group.
    divided: bool = False
    # The name of the combo that it is for, and the most that one can be worth; None where nothing bounds that.
    combo: str = ""
    width: Decimal | None = None


def changeable(kind: OrderType, role: Role, *, divided: bool = False) -> tuple[str, ...]:
    """The columns that a person may change of such an order: none of a market order, and no size of a group's."""
    prices = _PRICES.get(kind, ())
    # Legs have the size of what they protect: that is not theirs to change.
    sized = role in _TRADES and kind is not OrderType.MARKET and not divided
    return (*prices, "quantity") if sized else prices


def check(subject: Subject, values: Mapping[str, Decimal], ticks: Mapping[Decimal, Decimal]) -> None:
    """Raise NotChangeable where the change cannot be made. `ticks` are the contract's, by the prices that are sent."""
    if not values:
        raise NotChangeable("Nothing is to be changed. Fill in a new value, then try again.", "nothing-to-change")
    if subject.status not in CHANGED_IN_PLACE:
        raise NotChangeable(_not_now(subject.status), "not-changeable-now")
    for name in values:
        if name not in changeable(subject.type, subject.role, divided=subject.divided):
            raise NotChangeable(_kept(subject, name), "cannot-be-changed")
    if "trail_amount" in values and "trail_percent" in values:
        raise NotChangeable("A stop trails by one distance. Fill in the amount or the percentage.", "two-trails")
    for name in ("stop_price", "limit_price", "trail_amount"):
        if name in values:
            _on_the_grid(_NAMES[name], values[name], ticks[values[name]])
    _on_its_side(subject, values)
    _below_its_width(subject, values)
    if "quantity" in values:
        _check_size(subject, values["quantity"])


def _not_now(status: OrderStatus) -> str:
    words = str(status).replace("_", " ")
    if status is OrderStatus.FILLED:
        return "The order has filled, so there is nothing left to change."
    return f"The order is {words}, and only one that works at IBKR is changed. Look at it again in a moment."


def _kept(subject: Subject, name: str) -> str:
    kind = str(subject.type).replace("_", " ")
    if subject.divided and name == "quantity":
        return "IBKR has divided the order among the group's accounts, so its size stays. Cancel it and send a new one."
    can = changeable(subject.type, subject.role, divided=subject.divided)
    if not can:
        return f"IBKR takes no change of a {kind} order. Cancel it and send a new one."
    if name == "quantity":
        return f"A {str(subject.role).replace('_', ' ')} has the size of what it protects. Change its price, or exit a part."
    what = any_of(_NAMES[each] for each in can)
    return f"A {kind} order has no {_NAMES[name]} to change. Change its {what}, or cancel it and send a new one."


def _on_the_grid(what: str, price: Decimal, tick: Decimal) -> None:
    if tick <= 0 or price % tick == 0:
        return
    below = (price / tick).to_integral_value(ROUND_FLOOR) * tick
    above = (price / tick).to_integral_value(ROUND_CEILING) * tick
    around = any_of(grouped(each) for each in (below, above) if each > 0)
    raise NotChangeable(
        f"A {what} of {grouped(price)} lies between two ticks of {grouped(tick)}. Use {around}.", "off-tick"
    )


def _on_its_side(subject: Subject, values: Mapping[str, Decimal]) -> None:
    """A stop stands where the market has not been yet, and so does a target; both would fill at once otherwise."""
    market, sign = subject.market, subject.side.sign
    if market is None:
        return
    stop, limit = values.get("stop_price"), values.get("limit_price")
    if subject.type in _STOPS and stop is not None and (stop - market) * sign <= 0:
        raise NotChangeable(_past(subject.side, "stop", stop, market), "price-on-wrong-side")
    if subject.role is Role.TAKE_PROFIT and limit is not None and (limit - market) * sign >= 0:
        raise NotChangeable(_past(subject.side, "target", limit, market), "price-on-wrong-side")


def _below_its_width(subject: Subject, values: Mapping[str, Decimal]) -> None:
    """Nobody opens a combo at what it is never worth: the price of one leg was meant, most likely."""
    limit, width = values.get("limit_price"), subject.width
    if limit is None or width is None or subject.role is not Role.ENTRY or limit < width:
        return
    raise NotChangeable(
        f"A {subject.combo} is never worth {grouped(width)} or more, and the limit is {grouped(limit)}. Fill in the price of one "
        "combo, both legs together.",
        "combo-price-past-its-width",
    )


def _past(side: Side, what: str, price: Decimal, market: Decimal) -> str:
    return (
        f"The market at {grouped(market)} is past a {what} to {side} at {grouped(price)}, which would fill at once. "
        "Check the price, or close the position."
    )


def _check_size(subject: Subject, quantity: Decimal) -> None:
    if quantity != quantity.to_integral_value():
        raise NotChangeable("An order has whole units. Fill in a whole number.", "invalid-quantity")
    if quantity % subject.lot:
        reason = f"The contract trades in lots of {subject.lot}. Fill in a multiple of {subject.lot}."
        raise NotChangeable(reason, "quantity-not-in-lots")
    if quantity <= subject.filled:
        filled = grouped(subject.filled)
        reason = f"Of the order {filled} are filled already. Fill in a size above that, or cancel the rest."
        raise NotChangeable(reason, "quantity-below-filled")
    if subject.role is Role.ENTRY and quantity > subject.quantity:
        reason = (
            f"An entry is made larger by a signal, which is held against your limits. Fill in less than "
            f"{grouped(subject.quantity)}, or send a signal."
        )
        raise NotChangeable(reason, "entry-not-larger")
