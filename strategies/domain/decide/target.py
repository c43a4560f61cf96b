"""Target positions: orders the difference between target and position, never twice. Rows D49 to D52."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal

from brokers.domain.orders import Role, Side
from brokers.domain.sentences import grouped
from strategies.domain.decide import working
from strategies.domain.decide.assembly import cancel_plan, entry_plan, exit_plan, flip_plan
from strategies.domain.decide.case import Case
from strategies.domain.decide.entries import enter, side_allowed, wrong_side
from strategies.domain.decide.exits import ALL, plan_exit
from strategies.domain.decide.too_late import opened_since
from strategies.domain.numbers import round_to_step
from strategies.domain.plan.plan import Plan, Rejection


def approach(case: Case, target: Decimal) -> Plan | Rejection:
    """A plan that takes the position to `target`, signed and cut to whole units; buy and sell mean the same here."""
    goal = round_to_step(target, ROUND_DOWN)
    if (goal == 0 or _is_nearer(goal, case.position)) and (refused := opened_since(case)):
        return refused
    filling, resting = _entries_at_work(case)
    if filling and case.position + filling != goal:
        reason = f"An order for {case.ticker} is about to fill, so what is missing cannot be told yet. Send it again."
        return Rejection(rule="D49", code="position-is-moving", reason=reason)
    answer = _step_toward(case, goal, reached=case.position + filling == goal)
    if not isinstance(answer, Rejection):
        return replace(answer, cancels=tuple(dict.fromkeys((*answer.cancels, *resting))))
    return cancel_plan(case, "D49", resting) if resting and answer.code == "target-reached" else answer


def _is_nearer(goal: Decimal, held: Decimal) -> bool:
    """Whether the goal lies between zero and what is held."""
    return goal * held > 0 and abs(goal) < abs(held)


def _entries_at_work(case: Case) -> tuple[Decimal, tuple[str, ...]]:
    """Units, signed, that entries are about to fill, and references of this subscription's resting entries."""
    entries = [order for order in case.snapshot.working if order.role is Role.ENTRY]
    filling = [order for order in entries if working.may_fill_any_moment(case, order)]
    resting = [order for order in entries if order.mine and order not in filling]
    return sum((o.side.sign * o.remaining for o in filling), Decimal(0)), working.with_legs(case, resting)


def _step_toward(case: Case, goal: Decimal, *, reached: bool) -> Plan | Rejection:
    held = case.position
    if reached:
        reason = f"The position in {case.ticker} is {grouped(goal)} already, or about to be, as the signal wants it."
        return Rejection(rule="D49", code="target-reached", reason=reason)
    if goal == 0 or _is_nearer(goal, held):
        way_out = plan_exit(case, ALL if goal == 0 else abs(held) - abs(goal))
        return way_out if isinstance(way_out, Rejection) else exit_plan(case, "D50", way_out)
    side = Side.BUY if goal > 0 else Side.SELL
    if goal * held < 0:
        return _change_sides(case, side, abs(goal))
    if not side_allowed(case, side):
        return wrong_side(case, side, "D51")
    entry = enter(case, side, held=abs(held), quantity=abs(goal) - abs(held))
    if isinstance(entry, Rejection):
        return entry
    amount = entry.intent.quantity
    reason = f"{str(side).capitalize()} {grouped(amount)} {case.units(amount)} of {case.ticker} for a position of {grouped(goal)}."
    return entry_plan(case, "D51", entry, reason)


def _change_sides(case: Case, side: Side, amount: Decimal) -> Plan | Rejection:
    """Exits one side and enters the other, as far as the terms allow it."""
    way_out = plan_exit(case, ALL)
    if isinstance(way_out, Rejection):
        return way_out
    if not side_allowed(case, side):
        return flip_plan(case, "D52", way_out, wrong_side(case, side, "D52"))
    if not case.terms.allow_swap:
        reason = "This subscription does not change sides with one signal."
        return flip_plan(case, "D52", way_out, Rejection(rule="D52", code="sides-swapping-disabled", reason=reason))
    return flip_plan(case, "D52", way_out, enter(case, side, held=Decimal(0), quantity=amount))
