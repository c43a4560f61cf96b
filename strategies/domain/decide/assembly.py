"""Plans put together: an exit alone, an entry alone, a flip, cancels alone."""

from __future__ import annotations

from dataclasses import replace

from brokers.domain.orders import OrderType
from strategies.domain.decide import working
from strategies.domain.decide.case import Case
from strategies.domain.decide.entries import Entry, after
from strategies.domain.decide.exits import Way, held_back
from strategies.domain.decide.too_late import life
from strategies.domain.numbers import plain
from strategies.domain.plan.costs import left_out
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.effective import Leg
from strategies.domain.terms.terms import ExitUnfilled

MARKET_FILLS_WITHIN = 60  # seconds


def exit_plan(case: Case, rule: str, way: Way, note: str = "") -> Plan:
    """The way out alone."""
    return Plan(
        rule=rule,
        reason=way.sentence(case) + note,
        intents=(way.intent, *way.kept),
        cancels=way.cancels,
        resizes=way.resizes,
        time_to_live_seconds=life(case, Leg.EXIT) + _wait(case, (*way.cancels, *way.resizes)),
    )


def entry_plan(case: Case, rule: str, entry: Entry, reason: str) -> Plan:
    return Plan(
        rule=rule,
        reason=reason,
        intents=(entry.intent,),
        cancels=entry.cancels,
        time_to_live_seconds=life(case, Leg.ENTRY) + _wait(case, entry.cancels),
    )


def flip_plan(case: Case, rule: str, way: Way, entry: Entry | Rejection) -> Plan:
    """The way out, and an entry that leaves once it has filled. Whatever the entry lacks, the way out is not held up."""
    if isinstance(entry, Rejection):
        return exit_plan(case, rule, way, left_out(entry))
    if not way.all_of_it:
        return exit_plan(case, rule, way, " No entry follows: a part of the position is leaving by another order.")
    cancels = tuple(dict.fromkeys((*way.cancels, *entry.cancels)))
    waits = _wait(case, cancels) + case.terms.exit_wait_seconds
    exit_order = way.intent
    wait = case.terms.exit_wait_seconds
    match case.terms.exit_unfilled:
        case ExitUnfilled.CANCEL:
            exit_order = replace(exit_order, cancel_after=min(exit_order.cancel_after or wait, wait))
        case ExitUnfilled.MARKET if exit_order.type is not OrderType.MARKET:
            exit_order = replace(exit_order, convert_after=wait)
            # Past the wait it still has to fill at the market before the entry may leave.
            waits += MARKET_FILLS_WITHIN
    held = after(entry, life(case, Leg.ENTRY) + waits)
    direction = "long" if held.side.sign > 0 else "short"
    return Plan(
        rule=rule,
        reason=(
            f"{way.sentence(case)[:-1]}, then open {direction} with {plain(held.quantity)} {case.units(held.quantity)}."
        ),
        intents=(replace(exit_order, then=(*exit_order.then, held)), *way.kept),
        cancels=cancels,
        resizes=way.resizes,
        time_to_live_seconds=max(life(case, Leg.EXIT), life(case, Leg.ENTRY)) + waits,
    )


def or_cancel(case: Case, leg: Leg, rejection: Rejection, rule: str = "") -> Plan | Rejection:
    """Cancels alone where there are some to make; else why nothing is done."""
    cancels = working.cancel_set(case, leg)
    if not cancels:
        return rejection
    refused = held_back(case)
    return refused or cancel_plan(case, rule or rejection.rule, cancels)


def cancel_plan(case: Case, rule: str, cancels: tuple[str, ...]) -> Plan:
    count = len(cancels)
    orders = "the working order" if count == 1 else f"{count} working orders"
    return Plan(
        rule=rule,
        reason=f"Cancel {orders} in {case.ticker}.",
        intents=(),
        cancels=cancels,
        time_to_live_seconds=life(case, Leg.EXIT),
    )


def _wait(case: Case, cancels: tuple[object, ...]) -> int:
    return case.terms.cancel_wait_seconds if cancels else 0
