"""The other actions: exit, add, cancel, reverse and breakeven; rows D24 to D37 of the decision table."""

from __future__ import annotations

from decimal import Decimal

from brokers.domain.orders import OrderIntent, OrderType, Role
from strategies.domain.decide import protection, working
from strategies.domain.decide.assembly import cancel_plan, entry_plan, exit_plan, flip_plan, or_cancel
from strategies.domain.decide.case import Case
from strategies.domain.decide.entries import enter
from strategies.domain.decide.exits import ALL, asked, held_back, leave
from strategies.domain.decide.hours import outside_windows
from strategies.domain.decide.pricing import on_tick, quoted
from strategies.domain.decide.too_late import life, too_late
from strategies.domain.decide.trades import adding
from strategies.domain.numbers import plain
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.effective import Leg
from strategies.domain.terms.terms import QuantityType, Sides

_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def leave_position(case: Case) -> Plan | Rejection:
    """D24 to D30: out of all of it, or of the part the signal names."""
    if case.position == 0:
        reason = f"There is no position in {case.ticker} to exit."
        refused = Rejection(rule="D28", code="nothing-to-exit", reason=reason)
        return or_cancel(case, Leg.EXIT, refused, "D29")
    own = {Sides.BULLISH: 1, Sides.BEARISH: -1}.get(case.terms.sides)
    if case.terms.isolate_sides and own is not None and own * case.position < 0:
        reason = (
            f"This subscription keeps to the {case.terms.sides} side, and the {case.holding} position is not of it."
        )
        return Rejection(rule="D30", code="side-isolated", reason=reason)
    percent = case.exit.quantity_type.value is QuantityType.PERCENT_OF_POSITION
    wanted = asked(case, "D27" if percent else "D25")
    if isinstance(wanted, Rejection):
        return wanted
    way = leave(case, wanted)
    if isinstance(way, Rejection):
        return way
    rule = "D24" if wanted is None else "D27" if percent else "D25" if wanted < case.held else "D26"
    return exit_plan(case, rule, way)


def add(case: Case) -> Plan | Rejection:
    """D31, D32: more of what is held, whatever the terms say about adding and sides."""
    if case.position == 0:
        reason = f"There is no position in {case.ticker} to add to. Send buy or sell to open one."
        return Rejection(rule="D32", code="nothing-to-add-to", reason=reason)
    entry = enter(case, case.way_out.opposite, held=case.held)
    return entry if isinstance(entry, Rejection) else entry_plan(case, "D31", entry, adding(case, entry))


def cancel(case: Case) -> Plan | Rejection:
    """D33: what works in the ticker is canceled, legs too; the position stays. No guard holds it back: it adds no risk."""
    refused = too_late(case, Leg.EXIT) or outside_windows(case, Leg.EXIT)
    if refused is not None:
        return refused
    cancels = working.cancel_set(case, Leg.EXIT)
    if cancels:
        return cancel_plan(case, "D33", cancels)
    kind = case.message.cancel_order_type
    what = f"{kind.replace('_', ' ')} order" if kind else "order"
    reason = f"No {what} for {case.ticker} is working, so there is nothing to cancel."
    return Rejection(rule="D33", code="nothing-to-cancel", reason=reason)


def reverse(case: Case) -> Plan | Rejection:
    """D34, D35: out, and into the other side by as much as the signal or the terms say, else by as much as was held."""
    if case.position == 0:
        reason = f"There is no position in {case.ticker} to reverse. Send buy or sell to open one."
        return Rejection(rule="D35", code="nothing-to-reverse", reason=reason)
    way = leave(case, ALL)
    if isinstance(way, Rejection):
        return way
    own = None if case.entry.quantity.value is not None else case.held
    return flip_plan(case, "D34", way, enter(case, case.way_out, held=Decimal(0), quantity=own))


def breakeven(case: Case) -> Plan | Rejection:
    """D36, D37: a stop at the average entry price, or so far on the good side of it, over the whole position."""
    if case.position == 0:
        return Rejection(
            rule="D37", code="nothing-to-protect", reason=f"There is no position in {case.ticker} to protect."
        )
    kind = case.exit.order_type.value
    if kind not in _STOPS:
        reason = "A stop at break-even is a stop or stop_limit order. Send `orderType`, or set the exit order type."
        return Rejection(rule="D37", code="breakeven-order-type-required", reason=reason)
    refused = held_back(case)
    if refused is not None:
        return refused
    left = case.held - working.leaving(case, case.way_out)
    if left <= 0:
        return Rejection(
            rule="D40", code="already-exiting", reason=f"All {plain(case.held)} of {case.ticker} are leaving already."
        )
    stop = _stop(case, kind, left)
    if isinstance(stop, Rejection):
        return stop
    cut = protection.stops_at(case, stop, left)
    price = plain(stop.stop_price) if stop.stop_price is not None else ""
    wait = case.terms.cancel_wait_seconds if cut.cancels else 0
    return Plan(
        rule="D36",
        reason=f"Protect {plain(left)} {case.units(left)} of {case.ticker} held {case.holding} by a stop at {price}.",
        intents=cut.kept,
        cancels=cut.cancels,
        time_to_live_seconds=life(case, Leg.EXIT) + wait,
    )


def _stop(case: Case, kind: OrderType, quantity: Decimal) -> OrderIntent | Rejection:
    average, side = case.snapshot.average_cost, case.way_out
    if average is None or average <= 0:
        reason = f"IBKR has not shown the average price of {case.ticker} yet, so its break-even is unknown. Send again."
        return Rejection(rule="D37", code="average-price-unknown", reason=reason)
    offset = case.exit.breakeven_offset.value or Decimal(0)
    price = on_tick(case, average - side.sign * offset, side, "breakevenOffset", "stop")
    if isinstance(price, Rejection):
        return price
    now = quoted(case, side, case.exit.market_price.value) or case.snapshot.mark
    if now is not None and (price - now) * side.sign <= 0:
        reason = (
            f"The market at {plain(now)} is past a stop at {plain(price)}, which would fill at once. Send exit instead."
        )
        return Rejection(rule="D37", code="breakeven-not-reached", reason=reason)
    wanted = case.exit.limit_price.value or price
    limit = on_tick(case, wanted, side, "limitPrice", "limit") if kind is OrderType.STOP_LIMIT else None
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
    )
