"""A message by the name that an option had before a split, in the contracts of now. Pure.

Whoever sends that name means that contract: of 4 for 1, two of it are eight of those that it has become, and its price is
four of theirs.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from strategies.domain.message.message import Bracket, Ladder, Message, OrderShape

ONE = Decimal(1)
# Ways to say where a leg is that name a price or a distance; the others are shares of a price, or money of all of it.
_PRICED = frozenset({"amount", "limitPrice", "stopPrice", "trailAmount"})
_FIXED = "fixed_quantity"
# A third of a price ends somewhere; ticks are coarser.
_KEPT = Decimal("0.00000001")


def in_contracts_of_now(message: Message, units: Decimal) -> Message:
    """The message with its sizes times `units`, new contracts for one of before, and its prices by them."""
    if units == ONE:
        return message
    sender = message.sender_position
    return replace(
        message,
        quantity=_more(message.quantity, units) if message.quantity_type == _FIXED else message.quantity,
        target_quantity=_more(message.target_quantity, units),
        signal_price=_less(message.signal_price, units),
        sender_position=replace(
            sender,
            before=_more(sender.before, units),
            after=_more(sender.after, units),
            size_before=_more(sender.size_before, units),
        ),
        order=_shape(message.order, units),
        take_profit=_targets(message.take_profit, units),
        stop_loss=None if message.stop_loss is None else _leg(message.stop_loss, units),
        breakeven_offset=_less(message.breakeven_offset, units),
        bid_ask_spread_filter=_less(message.bid_ask_spread_filter, units),
    )


def _more(quantity: Decimal | None, units: Decimal) -> Decimal | None:
    return None if quantity is None else quantity * units


def _less(price: Decimal | None, units: Decimal) -> Decimal | None:
    return None if price is None else (price / units).quantize(_KEPT)


def _shape(order: OrderShape, units: Decimal) -> OrderShape:
    return replace(
        order,
        limit=_less(order.limit, units),
        stop=_less(order.stop, units),
        touch=_less(order.touch, units),
        trail_amount=_less(order.trail_amount, units),
        limit_offset=_less(order.limit_offset, units),
    )


def _targets(targets: Bracket | Ladder | None, units: Decimal) -> Bracket | Ladder | None:
    if not isinstance(targets, Ladder):
        return None if targets is None else _leg(targets, units)
    rungs = [
        replace(each, target=_leg(each.target, units), quantity=_more(each.quantity, units)) for each in targets.rungs
    ]
    return Ladder(tuple(rungs))


def _leg(leg: Bracket, units: Decimal) -> Bracket:
    return replace(
        leg,
        value=(leg.value / units).quantize(_KEPT) if leg.mode in _PRICED else leg.value,
        limit=_less(leg.limit, units),
        offset=_less(leg.offset, units),
    )
