"""Which working orders a signal means that changes some: of the entry it names, else of the position, else those that wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from brokers.domain.contracts.lifetimes import ENDED_BY_US
from brokers.domain.orders import CHANGED_IN_PLACE, LIMITED, MAY_BE_CAPPED, STOPS, OrderType, Role
from brokers.domain.sentences import all_of, grouped
from brokers.domain.snapshot import WorkingOrder
from strategies.domain.decide import working
from strategies.domain.decide.case import Case
from strategies.domain.plan.plan import Rejection

_LEGS = {Role.STOP_LOSS: "stop", Role.TAKE_PROFIT: "target"}
_HAS_LIMIT = LIMITED | MAY_BE_CAPPED
Chosen = tuple[WorkingOrder, ...] | Rejection


def stops(case: Case) -> Chosen:
    """The stops of the entry that is named, else every stop of the position: a position has one risk."""
    return _all_can_change(case, _legs(case, Role.STOP_LOSS), "stop")


def target(case: Case) -> Chosen:
    """The one target that is meant. The rungs of a ladder are not moved to one price."""
    return _one(case, _legs(case, Role.TAKE_PROFIT), "target")


def with_a_stop(case: Case) -> Chosen:
    """What `stopPrice` means: a named entry that waits for its stop, else the stops of the position, else what waits for one."""
    waiting = _trades(case, STOPS)
    if case.snapshot.of_entry is None and (legs := _legs(case, Role.STOP_LOSS)):
        return _all_can_change(case, legs, "stop")
    return _one_entry(case, waiting, "order with a stop") if waiting else stops(case)


def with_a_limit(case: Case) -> Chosen:
    """What `limitPrice` means: an order that waits for its limit, else the target of the position."""
    waiting = _trades(case, _HAS_LIMIT)
    return _one_entry(case, waiting, "order with a limit") if waiting else target(case)


def resizable(case: Case) -> Chosen:
    """What `quantity` means: the entry or the exit that works."""
    found = _trades(case, frozenset(OrderType))
    if len(found) > 1 and are_parts(found):
        reason = (
            f"The entry in {case.ticker} is sent as {len(found)} orders, one for each target, so no one size is that of all. Change "
            "each on its page, or cancel the entry and send it in its new size."
        )
        return Rejection(rule="M04", code="entry-in-parts", reason=reason)
    return _one(case, found, "entry or exit")


def with_an_end(case: Case) -> Chosen:
    """What `goodTillDate` means: the entry or the exit that works till it is canceled, here or at IBKR; else the one that works."""
    trades = _trades(case, frozenset(OrderType))
    return _one_entry(case, [o for o in trades if o.time_in_force in ENDED_BY_US] or trades, "entry or exit")


def legs_of(case: Case, order: WorkingOrder) -> tuple[WorkingOrder, ...]:
    """What was sent with an order and works."""
    return tuple(o for o in case.snapshot.working if o.parent == order.reference and working.can_be_canceled(o))


def _legs(case: Case, role: Role) -> list[WorkingOrder]:
    """Legs of the named entry, else of the position: also those of an entry that has filled in part. Those of an entry that
    has not filled are the entry's; where nothing is held, they are meant."""
    legs = [o for o in case.snapshot.working if o.role is role and working.can_be_canceled(o)]
    named = case.snapshot.of_entry
    if named is not None:
        return [o for o in legs if o.reference in named]
    if not case.position:
        return legs
    unfilled = {o.reference for o in case.snapshot.working if o.role is Role.ENTRY and not o.filled}
    return [o for o in legs if o.side is case.exit_side and o.parent not in unfilled]


def _trades(case: Case, kinds: frozenset[OrderType]) -> list[WorkingOrder]:
    """Entries of this subscription and exits, of these types."""
    named = case.snapshot.of_entry
    found = [
        o
        for o in case.snapshot.working
        if o.role in {Role.ENTRY, Role.EXIT} and o.type in kinds and o.mine and working.can_be_canceled(o)
    ]
    return found if named is None else [o for o in found if o.reference in named]


def are_parts(orders: Sequence[WorkingOrder]) -> bool:
    """Whether these are an entry with several targets, which is sent as a part for each."""
    kinds = {(order.ticket, order.role, order.type) for order in orders}
    return len(kinds) == 1 and orders[0].role is Role.ENTRY and bool(orders[0].ticket)


def _one_entry(case: Case, orders: Sequence[WorkingOrder], what: str) -> Chosen:
    """One order, or all parts of one entry: they have one price."""
    return _all_can_change(case, orders, what) if are_parts(orders) else _one(case, orders, what)


def _one(case: Case, orders: Sequence[WorkingOrder], what: str) -> Chosen:
    if len(orders) > 1 and not _of_each_account(case, orders):
        shown = all_of(_shown(each) for each in orders[:3]) + (" and more" if len(orders) > 3 else "")
        hint = (
            "Send entryId, the signalId, orderId or a tag of its entry's signal"
            if case.snapshot.of_entry is None
            else "Change the one that is meant on its page"
        )
        reason = f"In {case.ticker} {len(orders)} orders match ({shown}), and the signal means one {what}. {hint}."
        return Rejection(rule="M04", code="several-orders-match", reason=reason)
    return _all_can_change(case, orders, what)


def _of_each_account(case: Case, orders: Sequence[WorkingOrder]) -> bool:
    """Whether they are the same leg of each account of a group: one leg to whoever sends the signal."""
    if case.snapshot.group is None or any(order.role not in _LEGS for order in orders):
        return False
    return len({(order.role, order.side, order.type, order.limit_price, order.stop_price) for order in orders}) == 1


def _all_can_change(case: Case, orders: Iterable[WorkingOrder], what: str) -> Chosen:
    chosen = tuple(orders)
    if not chosen:
        return _nothing(case, what)
    late = _first(chosen, lambda order: order.status not in CHANGED_IN_PLACE)
    if late is not None:
        reason = (
            f"The {what} of {case.ticker} ({_shown(late)}) is on its way to IBKR or in doubt, so it cannot be changed yet. "
            "Send the signal again once it works."
        )
        return Rejection(rule="M06", code="not-changeable-now", reason=reason)
    return chosen


def _first(orders: Sequence[WorkingOrder], such: Callable[[WorkingOrder], bool]) -> WorkingOrder | None:
    return next((order for order in orders if such(order)), None)


def _nothing(case: Case, what: str) -> Rejection:
    if case.snapshot.of_entry is not None:
        reason = (
            f"No {what} of {case.ticker} works that was sent with the entry {case.message.entry_id}: it has filled, has "
            "ended, or no signal had that name."
        )
    elif what in _LEGS.values() and case.position:
        add = "Send breakeven, or add a stop" if what == "stop" else "Add one"
        reason = (
            f"The {case.holding} position of {grouped(case.held)} in {case.ticker} has no {what} that works, so there is "
            f"nothing to move. {add} on the page of positions."
        )
    else:
        reason = f"No {what} of {case.ticker} works, so there is nothing to change."
    return Rejection(rule="M03", code="nothing-to-modify", reason=reason)


def _shown(order: WorkingOrder) -> str:
    """ "sell stop 95"."""
    price = order.stop_price if order.stop_price is not None else order.limit_price
    at = "" if price is None else f" {grouped(price)}"
    return f"{order.side} {str(order.type).replace('_', ' ')}{at}"
