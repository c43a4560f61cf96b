"""A second order at IBKR: a change whose answer was lost may leave the old order working and a new one beside it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.choices import Shape, differs
from brokers.domain.orders import OVER, OrderStatus, OrderType, Side

CODE = "second-order"
# So long after a change left, an order that looks like it may be its second one.
SUSPECTED_FOR = timedelta(hours=24)
# IBKR's clock and ours need not agree to the second.
_CLOCKS_DIFFER = timedelta(seconds=5)
_ENDED_UNFILLED = OVER - {OrderStatus.FILLED}


def is_second(number: str, ours: Shape, shown: OrderFacts) -> bool:
    """Whether IBKR shows, under the reference of our order `number`, one more order of the same contract and side.

    What has ended without a fill is no order any more. A message that does not say type and size waits for one that does.
    """
    if not number or not shown.broker_order_id or shown.broker_order_id == number:
        return False
    if shown.status is None or (shown.status in _ENDED_UNFILLED and not shown.filled_quantity):
        return False
    if shown.type is None or shown.quantity is None:
        return False
    return not differs(Shape(conid=ours.conid, side=ours.side, quantity=shown.quantity), _shape(shown))


def _shape(shown: OrderFacts) -> Shape:
    return Shape(conid=shown.conid, side=shown.side, quantity=shown.quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A change that left: how the order was to be, and when it was sent. `filled`: what of it had filled."""

    side: Side
    type: OrderType
    quantity: Decimal
    sent_at: datetime
    filled: Decimal = Decimal(0)


def looks_like(asked: Asked, shown: OrderFacts, now: datetime) -> bool:
    """Whether an order of nobody's, in the contract of one that was to change, may be the second one of that change.

    It bears no reference, so that nothing proves it: a person may have placed it by hand.
    """
    if shown.reference or shown.side is not asked.side or shown.type is not asked.type:
        return False
    sizes = {asked.quantity, asked.quantity - asked.filled}
    return shown.quantity in sizes and asked.sent_at <= now <= asked.sent_at + SUSPECTED_FOR


def fills_like(asked: Asked, side: Side, filled: Decimal, executed_at: datetime) -> bool:
    """Whether a fill without a reference, in the contract of an order that was to change, may be one of the change's order.

    No list has shown that order, so its type is not known; it may have filled in part so far.
    """
    since = asked.sent_at - _CLOCKS_DIFFER
    return side is asked.side and filled <= asked.quantity and since <= executed_at <= asked.sent_at + SUSPECTED_FOR
