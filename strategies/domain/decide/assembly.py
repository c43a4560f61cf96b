"""Puts plans together: an exit alone, an entry alone, a flip, cancels alone."""

from __future__ import annotations

from dataclasses import replace

from brokers.domain.orders import OrderType
from brokers.domain.sentences import all_of, grouped
from strategies.domain.decide import working
from strategies.domain.decide.case import Case
from strategies.domain.decide.entries import Entry, wait_for_exit
from strategies.domain.decide.exits import WayOut, exit_held_back
from strategies.domain.decide.too_late import time_to_live
from strategies.domain.plan.costs import left_out
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.effective import Leg
from strategies.domain.terms.terms import ExitUnfilled

MARKET_FILLS_WITHIN = 60  # seconds


def exit_plan(case: Case, rule: str, way_out: WayOut, note: str = "") -> Plan:
    """The way out alone."""
    return Plan(
        rule=rule,
        reason=way_out.sentence(case) + way_out.about + note + _held_beside(case),
        intents=(way_out.intent, *way_out.kept),
        cancels=way_out.cancels,
        resizes=way_out.resizes,
        time_to_live_seconds=time_to_live(case, Leg.EXIT) + _wait(case, (*way_out.cancels, *way_out.resizes)),
    )


def _held_beside(case: Case) -> str:
    """What an exit by a continuous name leaves, and the message that would close it."""
    ways = all_of(f'{{"ticker": "{ticker}", "action": "exit"}}' for ticker in case.snapshot.other_months[:3])
    held = all_of(case.snapshot.other_months[:3])
    return f" {held} stays: send {ways} to close it." if held else ""


def entry_plan(case: Case, rule: str, entry: Entry, reason: str) -> Plan:
    """The entry alone, after the orders that it replaces are canceled."""
    return Plan(
        rule=rule,
        reason=f"{reason}{entry.about}",
        intents=(entry.intent,),
        cancels=entry.cancels,
        time_to_live_seconds=time_to_live(case, Leg.ENTRY) + _wait(case, entry.cancels),
    )


def flip_plan(case: Case, rule: str, way_out: WayOut, entry: Entry | Rejection, *, note: str = "") -> Plan:
    """The way out, and an entry that leaves once it has filled; `note` ends the reason.

    A refused entry never holds the way out back.
    """
    if isinstance(entry, Rejection):
        return exit_plan(case, rule, way_out, left_out(entry))
    if not way_out.all_of_it:
        return exit_plan(case, rule, way_out, " No entry follows: a part of the position is leaving by another order.")
    cancels = tuple(dict.fromkeys((*way_out.cancels, *entry.cancels)))
    waits = _wait(case, cancels) + case.terms.exit_wait_seconds
    exit_order = way_out.intent
    wait = case.terms.exit_wait_seconds
    match case.terms.exit_unfilled:
        case ExitUnfilled.CANCEL:
            exit_order = replace(exit_order, cancel_after=min(exit_order.cancel_after or wait, wait))
        case ExitUnfilled.MARKET if exit_order.type is not OrderType.MARKET:
            exit_order = replace(exit_order, convert_after=wait)
            # After the wait, the exit still has to fill at the market before the entry may leave.
            waits += MARKET_FILLS_WITHIN
    waiting_entry = wait_for_exit(entry, time_to_live(case, Leg.ENTRY) + waits)
    direction = "long" if waiting_entry.side.sign > 0 else "short"
    return Plan(
        rule=rule,
        reason=(
            f"{way_out.sentence(case)[:-1]}, then open {direction} with {grouped(waiting_entry.quantity)} {case.units(waiting_entry.quantity)}.{note}{entry.about}"
        ),
        intents=(replace(exit_order, then=(*exit_order.then, waiting_entry)), *way_out.kept),
        cancels=cancels,
        resizes=way_out.resizes,
        time_to_live_seconds=max(time_to_live(case, Leg.EXIT), time_to_live(case, Leg.ENTRY)) + waits,
    )


def or_cancel(case: Case, leg: Leg, rejection: Rejection, rule: str = "") -> Plan | Rejection:
    """Cancels alone where the leg cancels something; else the rejection."""
    cancels = working.cancel_set(case, leg)
    if not cancels:
        return rejection
    refused = exit_held_back(case)
    return refused or cancel_plan(case, rule or rejection.rule, cancels)


def cancel_plan(case: Case, rule: str, cancels: tuple[str, ...]) -> Plan:
    count = len(cancels)
    orders = "the working order" if count == 1 else f"{count} working orders"
    return Plan(
        rule=rule,
        reason=f"Cancel {orders} in {case.ticker}.",
        intents=(),
        cancels=cancels,
        time_to_live_seconds=time_to_live(case, Leg.EXIT),
    )


def _wait(case: Case, cancels: tuple[object, ...]) -> int:
    return case.terms.cancel_wait_seconds if cancels else 0
