"""Whether changes add risk: those that do are held back by what holds entries back, the others pass as exits do."""

from __future__ import annotations

from decimal import Decimal

from brokers.domain.orders import STOPS, Modification, OrderIntent, Role
from brokers.domain.snapshot import WorkingOrder
from strategies.domain.decide import limits, working
from strategies.domain.decide.case import Case
from strategies.domain.decide.exits import exit_held_back
from strategies.domain.decide.sizing import exposure, unit_value
from strategies.domain.decide.too_late import too_late
from strategies.domain.plan.costs import affordable
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.effective import Leg

ZERO = Decimal(0)


def held_back(case: Case, order: WorkingOrder, change: Modification) -> Rejection | None:
    """Why this change may not be made now."""
    if refused := exit_held_back(case):
        return refused
    if order.role is Role.ENTRY:
        return _entry_held_back(case, order, change)
    return limits.risk_held_back(case) if loosens(order, change) else None


def loosens(order: WorkingOrder, change: Modification) -> bool:
    """Whether a stop lets more be lost, or is less certain to fill, or covers less."""
    if order.role is not Role.STOP_LOSS and (order.role is not Role.EXIT or order.type not in STOPS):
        return False
    # Toward the market: up for a stop that sells, down for one that buys.
    toward = -order.side.sign
    if _is_further(change.stop_price, order.stop_price, toward):
        return True
    if change.trail_amount is not None and (order.trail_amount is None or change.trail_amount > order.trail_amount):
        return True
    if change.trail_percent is not None and (order.trail_percent is None or change.trail_percent > order.trail_percent):
        return True
    if change.quantity is not None and change.quantity < order.remaining + order.filled:
        return True
    return _limit_is_nearer(order, change, toward)


def _is_further(new: Decimal | None, old: Decimal | None, toward: int) -> bool:
    return new is not None and old is not None and (new - old) * toward < 0


def _limit_is_nearer(order: WorkingOrder, change: Modification, toward: int) -> bool:
    """Whether the limit of a stop limit leaves less room to fill behind its stop."""
    if change.limit_price is None or order.limit_price is None or order.stop_price is None:
        return False
    stop = order.stop_price if change.stop_price is None else change.stop_price
    return (stop - change.limit_price) * toward < (order.stop_price - order.limit_price) * toward


def _entry_held_back(case: Case, order: WorkingOrder, change: Modification) -> Rejection | None:
    """An entry that only becomes smaller, or ends sooner, passes; any other change of it is one to what opens a position."""
    total = order.remaining + order.filled
    prices = (change.limit_price, change.stop_price, change.trail_amount, change.trail_percent)
    more = ZERO if change.quantity is None else change.quantity - total
    if all(price is None for price in prices) and more <= 0 and not _works_longer(order, change):
        return None
    if refused := limits.risk_held_back(case) or too_late(case, Leg.ENTRY):
        return refused
    return _larger_held_back(case, order, total, more) if more > 0 else None


def _works_longer(order: WorkingOrder, change: Modification) -> bool:
    if change.lifetime is None or order.good_till is None:
        # What works till it is canceled works no longer with a date.
        return False
    later = change.lifetime.good_till
    return later is None or later > order.good_till


def _larger_held_back(case: Case, order: WorkingOrder, total: Decimal, more: Decimal) -> Rejection | None:
    price = order.limit_price or order.stop_price or case.snapshot.mark or case.message.signal_price
    value = None if price is None else unit_value(case, exposure(case, order.side, price), price)
    held = case.held if case.position * order.side.sign > 0 else ZERO
    size = limits.EntrySize(
        quantity=total + more,
        position=held + working.entering(case, order.side, ()) + more,
        unit_value=None if isinstance(value, Rejection) else value,
    )
    if refused := limits.over_a_limit(case, size):
        return refused
    beyond = OrderIntent(
        role=Role.ENTRY,
        instrument=case.snapshot.contract.instrument,
        side=order.side,
        type=order.type,
        quantity=more,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_amount=order.trail_amount,
        trail_percent=order.trail_percent,
        time_in_force=order.time_in_force,
        outside_rth=order.outside_rth,
    )
    plan = Plan(rule="M02", reason="", intents=(beyond,))
    answer = affordable(plan, case.snapshot, case.now, case.message.signal_price)
    return answer if isinstance(answer, Rejection) else None
