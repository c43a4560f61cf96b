"""Orders on their way: the snapshots that the book may show once they have settled.

A signal right behind another one is planned for every way in which the orders of the first can end, and goes ahead when
all of these plans are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.domain.orders import IN_FLIGHT, WAITING, OrderStatus, OrderType, Role
from brokers.domain.snapshot import Snapshot, WorkingOrder

# A market order that IBKR has had for so long without filling waits for its market: it rests like a limit order.
FILLS_WITHIN = timedelta(seconds=10)
_MOVING = WAITING | IN_FLIGHT | {OrderStatus.PENDING_CANCEL}
_TRADES = frozenset({Role.ENTRY, Role.EXIT})

Fills = Callable[[WorkingOrder], bool]


def outcomes(snapshot: Snapshot, now: datetime) -> tuple[Snapshot, ...]:
    """The snapshots that the orders on their way may lead to; the snapshot alone when none is.

    The first is the likeliest: all of them filled. Then: ended without a fill, exits filled and entries ended, and,
    for those that can rest in the market, as they are. Mixtures of these lead to sizes between them.
    """
    moving = _moving(snapshot, now)
    if not moving:
        return (snapshot,)
    trades = [order for order in moving if order.role in _TRADES]
    # Only one leg of a position fills; its fill cancels the others.
    one_a_group = {order.parent or order.reference: order.reference for order in moving if order.role not in _TRADES}
    fill = {order.reference for order in trades} | set(one_a_group.values())
    filled = _after(snapshot, moving, fills=lambda order: order.reference in fill)
    endings = [filled, _after(snapshot, moving, fills=lambda _: False)]
    if len({order.role for order in trades}) > 1:
        endings.append(_after(snapshot, moving, fills=lambda order: order.role is Role.EXIT))
    if any(_can_rest(order) for order in moving):
        endings.append(snapshot)
    return tuple(endings)


def _moving(snapshot: Snapshot, now: datetime) -> list[WorkingOrder]:
    """Orders whose end is open: not at the broker yet, being canceled, at the market, or behind one of these."""
    moving = [order for order in snapshot.working if _is_moving(order, now)]
    if not moving:
        return moving
    # An entry that waits behind an exit makes the exit's end matter, wherever the exit stands.
    ahead = {order.parent for order in moving if order.role is Role.ENTRY and order.parent}
    known = {order.reference for order in moving}
    return moving + [o for o in snapshot.working if o.reference in ahead and o.reference not in known]


def _is_moving(order: WorkingOrder, now: datetime) -> bool:
    if order.role not in _TRADES:
        # Protection on its way will rest; what is being canceled may be gone or not.
        return order.status is OrderStatus.PENDING_CANCEL
    if order.status in _MOVING:
        return True
    return order.type is OrderType.MARKET and (order.since is None or now - order.since < FILLS_WITHIN)


def _can_rest(order: WorkingOrder) -> bool:
    return order.type is not OrderType.MARKET and order.status is not OrderStatus.PENDING_CANCEL


def _after(snapshot: Snapshot, moving: list[WorkingOrder], *, fills: Fills) -> Snapshot:
    """The snapshot after each moving order has filled or ended without a fill, as `fills` says."""
    gone = {order.reference for order in moving}
    alone = {order.reference for order in moving if _takes_its_legs(order, fills=fills(order))}
    position = snapshot.position + sum(
        (order.side.sign * order.remaining for order in moving if fills(order)), Decimal(0)
    )
    working = tuple(
        order
        for order in snapshot.working
        if order.reference not in gone and (order.role in _TRADES or order.parent not in alone)
    )
    return replace(snapshot, position=position, working=working)


def _takes_its_legs(order: WorkingOrder, *, fills: bool) -> bool:
    """Whether the legs beside an order are gone with it.

    An entry's protect what it opened, were it only a part. An exit's stop is canceled by its fill; where the exit ends
    otherwise the stop stays, if the two had reached the broker.
    """
    if order.role is Role.EXIT:
        return fills or order.status in WAITING | IN_FLIGHT
    return not fills and not order.filled
