"""Orders of the instrument that still work: which are to be canceled, which leave already, which stand for protection."""

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
    """What the signal or the terms cancel before anything else; a canceled parent takes its legs with it."""
    always = case.message.action is Action.CANCEL
    if not always and not case.settings(leg).cancel.value:
        return ()
    kind = case.message.cancel_order_type
    chosen = [order for order in case.snapshot.working if kind is None or order.type == kind]
    return with_legs(case, (order for order in chosen if not always or can_be_canceled(order)))


def with_legs(case: Case, orders: Iterable[WorkingOrder]) -> tuple[str, ...]:
    """Their references and those of the legs that were sent with them, each once.

    What is being canceled already is among them: whatever comes next has to wait for it as well.
    """
    chosen = {order.reference for order in orders}
    return tuple(
        order.reference for order in case.snapshot.working if order.reference in chosen or order.parent in chosen
    )


def can_be_canceled(order: WorkingOrder) -> bool:
    return order.status in MAY_FILL and order.status is not OrderStatus.PENDING_CANCEL


def leaving(case: Case, side: Side, canceled: Iterable[str] = ()) -> Decimal:
    """What is on its way out already, without what is canceled first."""
    gone = set(canceled)
    return sum(
        (
            o.remaining
            for o in case.snapshot.working
            if o.role is Role.EXIT and o.side is side and o.reference not in gone
        ),
        Decimal(0),
    )


def resting_exits(case: Case, side: Side) -> tuple[str, ...]:
    """Exits that wait for a price, and the stops beside them: who now wants out at the market does not wait with them."""
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
    """What could still be added to a position of that side by orders that stay."""
    gone = set(canceled)
    return sum(
        (
            o.remaining
            for o in case.snapshot.working
            if o.role is Role.ENTRY and o.side is side and o.reference not in gone
        ),
        Decimal(0),
    )


def begun_entries(case: Case) -> list[WorkingOrder]:
    """Entries of the held side of which a part has filled: when the position leaves, their rest must not bring it back."""
    side = case.way_out.opposite
    return [
        o
        for o in case.snapshot.working
        if o.role is Role.ENTRY and o.side is side and (o.filled > 0 or o.status is OrderStatus.PARTIALLY_FILLED)
    ]


def may_fill_any_moment(case: Case, order: WorkingOrder) -> bool:
    """A market order while the market is open is not there to be replaced."""
    return order.type is OrderType.MARKET and not case.market_is_closed


def brackets(case: Case) -> dict[str, list[WorkingOrder]]:
    """The legs that protect the position, by the order they were sent with.

    Not those that wait for a working entry, nor those that stand beside a working exit and end with it.
    """
    waiting = {order.reference for order in case.snapshot.working if order.role in {Role.ENTRY, Role.EXIT}}
    found: dict[str, list[WorkingOrder]] = {}
    for order in case.snapshot.working:
        if order.role in PROTECTIVE and order.side is case.way_out and order.parent not in waiting:
            found.setdefault(order.parent or order.reference, []).append(order)
    return found
