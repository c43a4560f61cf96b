"""Working orders of the instrument: which are to be canceled, which close it already, which protect the position."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from brokers.domain.orders import MAY_FILL, OrderStatus, OrderType, Role, Side
from brokers.domain.snapshot import WorkingOrder
from strategies.domain.decide.case import Case
from strategies.domain.message.message import Action
from strategies.domain.terms.effective import Leg

PROTECTIVE = frozenset({Role.TAKE_PROFIT, Role.STOP_LOSS})


def cancel_set(case: Case, leg: Leg) -> tuple[str, ...]:
    """References that the signal or the terms cancel before anything else; a canceled parent takes its legs with it."""
    always = case.message.action is Action.CANCEL
    if not always and not case.settings(leg).cancel.value:
        return ()
    kind = case.message.cancel_order_type
    chosen = [order for order in case.snapshot.working if kind is None or order.type == kind]
    return with_legs(case, (order for order in chosen if not always or can_be_canceled(order)))


def with_legs(case: Case, orders: Iterable[WorkingOrder]) -> tuple[str, ...]:
    """References of the orders and of the legs sent with them, each once.

    Orders that are being canceled already are among them: what follows has to wait for their end as well.
    """
    chosen = {order.reference for order in orders}
    return tuple(
        order.reference for order in case.snapshot.working if order.reference in chosen or order.parent in chosen
    )


def can_be_canceled(order: WorkingOrder) -> bool:
    """Whether the order may still fill, and its cancel is not under way."""
    return order.status in MAY_FILL and order.status is not OrderStatus.PENDING_CANCEL


def leaving(case: Case, side: Side, canceled: Iterable[str] = ()) -> Decimal:
    """Units that working exits are about to close, without exits that are canceled first."""
    canceled_first = set(canceled)
    return sum(
        (
            o.remaining
            for o in case.snapshot.working
            if o.role is Role.EXIT and o.side is side and o.reference not in canceled_first
        ),
        Decimal(0),
    )


def resting_exits(case: Case, side: Side) -> tuple[str, ...]:
    """References of exits that wait for a price, and of the stops beside them; an exit at the market replaces them."""
    return with_legs(
        case,
        (
            order
            for order in case.snapshot.working
            if order.role is Role.EXIT and order.side is side and order.type is not OrderType.MARKET
        ),
    )


def own_entries(case: Case, side: Side | None = None) -> list[WorkingOrder]:
    """This subscription's entries that still work, of one side or of both."""
    return [
        order
        for order in case.snapshot.working
        if order.role is Role.ENTRY and order.mine and (side is None or order.side is side)
    ]


def entering(case: Case, side: Side, canceled: Iterable[str]) -> Decimal:
    """Units that working entries could still add to a position of that side, without entries that are canceled first."""
    canceled_first = set(canceled)
    return sum(
        (
            o.remaining
            for o in case.snapshot.working
            if o.role is Role.ENTRY and o.side is side and o.reference not in canceled_first
        ),
        Decimal(0),
    )


def begun_entries(case: Case) -> list[WorkingOrder]:
    """Entries of the held side that have filled in part: after a full exit their rest would open the position again."""
    side = case.exit_side.opposite
    return [
        o
        for o in case.snapshot.working
        if o.role is Role.ENTRY and o.side is side and (o.filled > 0 or o.status is OrderStatus.PARTIALLY_FILLED)
    ]


def may_fill_any_moment(case: Case, order: WorkingOrder) -> bool:
    """Whether an order is a market order in an open market: too late to replace it."""
    return order.type is OrderType.MARKET and not case.market_is_closed


def brackets(case: Case) -> dict[str, list[WorkingOrder]]:
    """The legs that protect the position, by the reference of the order they were sent with.

    Legs of a working entry, and stops beside a working exit, are not among them.
    """
    waiting = {order.reference for order in case.snapshot.working if order.role in {Role.ENTRY, Role.EXIT}}
    groups: dict[str, list[WorkingOrder]] = {}
    for order in case.snapshot.working:
        if order.role in PROTECTIVE and order.side is case.exit_side and order.parent not in waiting:
            groups.setdefault(order.parent or order.reference, []).append(order)
    return groups
