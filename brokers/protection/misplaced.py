"""Stops of ours that work and have nothing to close: their entry never filled, or somebody has turned the position round."""

from __future__ import annotations

from collections.abc import Sequence

from brokers.domain.orders import CHANGED_IN_PLACE, MAY_FILL, Release, Role, Side
from brokers.models import Order
from brokers.protection.endings import ENDED_SHORT
from brokers.protection.held import Holding


def strays(stops: Sequence[Order], by_pk: dict[int, Order]) -> list[Order]:
    """Legs that work although their entry ended without a fill."""
    return [
        stop
        for stop in stops
        if stop.release == Release.WITH_PARENT
        and stop.status in CHANGED_IN_PLACE
        and stop.parent_id in by_pk
        and by_pk[stop.parent_id].status in ENDED_SHORT
        and not by_pk[stop.parent_id].filled_quantity
    ]


def turned(orders: Sequence[Order], side: Side, holding: Holding, by_pk: dict[int, Order]) -> list[Order]:
    """Our stops on the position's own side, which would add to it: of what was held before somebody turned it round.

    Only where IBKR's list was read long after the last fill; and not the leg of an entry that may still fill.
    """
    if holding.recent or not holding.read:
        return []
    return [
        stop
        for stop in orders
        if stop.role == Role.STOP_LOSS
        and stop.side == side
        and stop.status in CHANGED_IN_PLACE
        and (stop.parent_id not in by_pk or by_pk[stop.parent_id].status not in MAY_FILL)
    ]


def parent_of(stop: Order, by_pk: dict[int, Order]) -> Order:
    assert stop.parent_id is not None, "a stray is a leg"
    return by_pk[stop.parent_id]
