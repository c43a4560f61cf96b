"""The actions exit, add, cancel, reverse and breakeven: rows D24 to D37 of the trading rules."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from brokers.domain.orders import OrderIntent, OrderType, Role
from brokers.domain.sentences import grouped
from strategies.domain.decide import protection, working
from strategies.domain.decide.assembly import cancel_plan, entry_plan, exit_plan, flip_plan, or_cancel
from strategies.domain.decide.case import Case
from strategies.domain.decide.entries import enter
from strategies.domain.decide.exits import ALL, exit_held_back, exit_quantity, plan_exit
from strategies.domain.decide.hours import outside_windows
from strategies.domain.decide.pricing import quoted_price, round_to_tick, works_outside
from strategies.domain.decide.too_late import opened_since, time_to_live, too_late
from strategies.domain.decide.trades import adding
from strategies.domain.plan import combos
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.effective import Leg
from strategies.domain.terms.terms import QuantityType, Sides

_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def leave_position(case: Case) -> Plan | Rejection:
    """D24 to D30: exits the position, or the part of it that the signal names."""
    if refused := opened_since(case):
        return refused
    if case.position == 0:
        reason = f"There is no position in {case.ticker} to exit."
        inside = combos.half_held(case.snapshot) or combos.all_inside(case.snapshot)
        refused = inside or Rejection(rule="D28", code="nothing-to-exit", reason=reason)
        return or_cancel(case, Leg.EXIT, refused, "D29")
    own = {Sides.BULLISH: 1, Sides.BEARISH: -1}.get(case.terms.sides)
    if case.terms.isolate_sides and own is not None and own * case.position < 0:
        reason = (
            f"This subscription keeps to the {case.terms.sides} side, and the {case.holding} position is not of it."
        )
        return Rejection(rule="D30", code="side-isolated", reason=reason)
    percent = case.exit.quantity_type.value is QuantityType.PERCENT_OF_POSITION
    quantity = exit_quantity(case, "D27" if percent else "D25")
    if isinstance(quantity, Rejection):
        return quantity
    way_out = plan_exit(case, quantity)
    if isinstance(way_out, Rejection):
        return way_out
    rule = "D24" if quantity is None else "D27" if percent else "D25" if quantity < case.held else "D26"
    return exit_plan(case, rule, way_out)


def add(case: Case) -> Plan | Rejection:
    """D31, D32: adds to the held side, even where the terms allow no adding or not that side."""
    if case.position == 0:
        reason = f"There is no position in {case.ticker} to add to. Send buy or sell to open one."
        return Rejection(rule="D32", code="nothing-to-add-to", reason=reason)
    entry = enter(case, case.exit_side.opposite, held=case.held)
    return entry if isinstance(entry, Rejection) else entry_plan(case, "D31", entry, adding(case, entry))


def cancel(case: Case) -> Plan | Rejection:
    """D33: cancels what works in the ticker, legs too; the position stays. No guard applies: a cancel adds no risk."""
    refused = too_late(case, Leg.EXIT) or outside_windows(case, Leg.EXIT)
    if refused is not None:
        return refused
    cancels = working.cancel_set(case, Leg.EXIT)
    if cancels:
        plan = cancel_plan(case, "D33", cancels)
        return replace(plan, reason=f"{plan.reason}{_left_without(case, cancels)}")
    kind = case.message.cancel_order_type
    what = f"{kind.replace('_', ' ')} order" if kind else "order"
    reason = f"No {what} for {case.ticker} is working, so there is nothing to cancel."
    return Rejection(rule="D33", code="nothing-to-cancel", reason=reason)


def _left_without(case: Case, cancels: tuple[str, ...]) -> str:
    """What the position lacks once these orders are canceled, as the end of a sentence."""
    if not case.position:
        return ""
    legs = [order for order in case.snapshot.working if order.role in {Role.STOP_LOSS, Role.TAKE_PROFIT}]
    roles = {order.role for order in legs if order.reference in cancels}
    roles -= {order.role for order in legs if order.reference not in cancels}
    if not roles:
        return ""
    names = [name for role, name in ((Role.STOP_LOSS, "stop loss"), (Role.TAKE_PROFIT, "take profit")) if role in roles]
    held = f"{grouped(case.held)} {case.units(case.held)} held {case.holding}"
    return f" The position stays, {held}, without a {' or a '.join(names)}."


def reverse(case: Case) -> Plan | Rejection:
    """D34, D35: exits the position and enters the other side by the signal's or the terms' size, else by as much as was held."""
    if case.position == 0:
        reason = f"There is no position in {case.ticker} to reverse. Send buy or sell to open one."
        return Rejection(rule="D35", code="nothing-to-reverse", reason=reason)
    way_out = plan_exit(case, ALL)
    if isinstance(way_out, Rejection):
        return way_out
    own = None if case.entry.quantity.value is not None else case.held
    return flip_plan(case, "D34", way_out, enter(case, case.exit_side, held=Decimal(0), quantity=own))


def breakeven(case: Case) -> Plan | Rejection:
    """D36, D37: a stop for the whole position at its average price, or `breakevenOffset` on the good side of it."""
    if case.position == 0:
        return Rejection(
            rule="D37", code="nothing-to-protect", reason=f"There is no position in {case.ticker} to protect."
        )
    kind = case.exit.order_type.value
    if kind not in _STOPS:
        reason = "A stop at break-even is a stop or stop_limit order. Send `orderType`, or set the exit order type."
        return Rejection(rule="D37", code="breakeven-order-type-required", reason=reason)
    refused = exit_held_back(case)
    if refused is not None:
        return refused
    left = case.held - working.leaving(case, case.exit_side)
    if left <= 0:
        return Rejection(
            rule="D40", code="already-exiting", reason=f"All {grouped(case.held)} of {case.ticker} are leaving already."
        )
    stop = _stop(case, kind, left)
    if isinstance(stop, Rejection):
        return stop
    cut = protection.replace_stops(case, stop, left)
    price = grouped(stop.stop_price) if stop.stop_price is not None else ""
    wait = case.terms.cancel_wait_seconds if cut.cancels else 0
    return Plan(
        rule="D36",
        reason=f"Protect {grouped(left)} {case.units(left)} of {case.ticker} held {case.holding} by a stop at {price}.",
        intents=cut.kept,
        cancels=cut.cancels,
        time_to_live_seconds=time_to_live(case, Leg.EXIT) + wait,
    )


def _stop(case: Case, kind: OrderType, quantity: Decimal) -> OrderIntent | Rejection:
    average, side = case.snapshot.average_cost, case.exit_side
    if average is None or average <= 0:
        reason = f"IBKR has not shown the average price of {case.ticker} yet, so its break-even is unknown. Send again."
        return Rejection(rule="D37", code="average-price-unknown", reason=reason)
    offset = case.exit.breakeven_offset.value or Decimal(0)
    price = round_to_tick(case, average - side.sign * offset, side, "breakevenOffset", "stop")
    if isinstance(price, Rejection):
        return price
    now = quoted_price(case, side, case.exit.market_price.value) or case.snapshot.mark
    if now is not None and (price - now) * side.sign <= 0:
        reason = f"The market at {grouped(now)} is past a stop at {grouped(price)}, which would fill at once. Send exit instead."
        return Rejection(rule="D37", code="breakeven-not-reached", reason=reason)
    limit_price = case.exit.limit_price.value or price
    limit = round_to_tick(case, limit_price, side, "limitPrice", "limit") if kind is OrderType.STOP_LIMIT else None
    if isinstance(limit, Rejection):
        return limit
    return OrderIntent(
        role=Role.STOP_LOSS,
        instrument=case.snapshot.contract.instrument,
        side=side,
        type=kind,
        quantity=quantity,
        stop_price=price,
        limit_price=limit,
        time_in_force=protection.LEGS_LIVE,
        outside_rth=works_outside(case, kind),
    )
