"""Entries: whether a position may be opened or grow, by how much, at what price, and with which legs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.domain.orders import OrderIntent, Release, Role, Side
from strategies.domain.decide import limits, working
from strategies.domain.decide.case import Case
from strategies.domain.decide.hours import outside_session, outside_windows
from strategies.domain.decide.ladders.legs import build_legs
from strategies.domain.decide.limits import EntrySize
from strategies.domain.decide.market_fit import illiquid, outside_collar, spread_too_wide
from strategies.domain.decide.pricing import shape_order
from strategies.domain.decide.protection import ProtectedEntry, stop_distance
from strategies.domain.decide.sizing import entry_quantity, exposure, in_lots, unit_value
from strategies.domain.decide.too_late import too_late
from strategies.domain.plan import combos
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Leg
from strategies.domain.terms.terms import Sides, WorkingEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry with its legs, and the references of the orders that it replaces. `about` ends the plan's reason."""

    intent: OrderIntent
    cancels: tuple[str, ...] = ()
    about: str = ""


def side_allowed(case: Case, side: Side) -> bool:
    return case.terms.sides in {Sides.BOTH, Sides.BULLISH if side is Side.BUY else Sides.BEARISH}


def wrong_side(case: Case, side: Side, rule: str) -> Rejection:
    direction = "long" if side is Side.BUY else "short"
    traded = "no side" if case.terms.sides is Sides.NONE else f"the {case.terms.sides} side only"
    return Rejection(
        rule=rule,
        code="side-not-allowed",
        reason=f"This subscription trades {traded}, so it opens no {direction} position.",
    )


def enter(
    case: Case, side: Side, *, held: Decimal, quantity: Decimal | None = None, minus: Decimal = Decimal(0)
) -> Entry | Rejection:
    """An entry beside `held` units of the same side, or the first reason why not.

    `quantity` in units overrides the sizing of signal and terms; `minus` units are subtracted from the result.
    """
    refused = (
        _left_behind(case)
        or limits.entry_held_back(case)
        or too_late(case, Leg.ENTRY)
        or outside_windows(case, Leg.ENTRY)
        or outside_session(case)
        or spread_too_wide(case, Leg.ENTRY)
        or illiquid(case)
    )
    if refused is not None:
        return refused
    order = shape_order(case, side, Leg.ENTRY)
    if isinstance(order, Rejection):
        return order
    refused = combos.not_taken(case.snapshot, order.type, order.time_in_force) or combos.not_by(
        case.snapshot, case.entry
    )
    if refused is not None:
        return refused
    expected = order.expected
    sized = quantity or entry_quantity(case, expected, stop_distance(case, side, expected))
    if isinstance(sized, Rejection):
        return sized
    amount = sized - minus
    if amount <= 0:
        reason = "All of it went into the exit."
        return Rejection(rule="D12", code="nothing-left-to-enter", reason=reason)
    in_whole_lots = in_lots(case, amount)
    if isinstance(in_whole_lots, Rejection):
        return in_whole_lots
    amount = in_whole_lots
    replaced = _replaced(case, side, adding=held > 0)
    if isinstance(replaced, Rejection):
        return replaced
    elsewhere = case.snapshot.elsewhere.on(side)
    grown = held + amount + working.entering(case, side, replaced) + elsewhere
    value = None
    if expected is not None and expected > 0:
        value = unit_value(case, exposure(case, side, expected), expected)
    size = EntrySize(
        quantity=amount, position=grown, elsewhere=elsewhere, unit_value=None if isinstance(value, Rejection) else value
    )
    refused = limits.over_a_limit(case, size) or outside_collar(case, expected)
    if refused is not None:
        return refused
    legs = build_legs(case, ProtectedEntry(side, amount, expected))
    if isinstance(legs, Rejection):
        return legs
    opening = combos.Opening(side=side, expected=expected, children=legs.orders)
    refused = combos.not_opened(case.snapshot, opening)
    if refused is not None:
        return refused
    intent = OrderIntent(
        role=Role.ENTRY,
        instrument=case.snapshot.contract.instrument,
        side=side,
        quantity=amount,
        cancel_after=case.entry.cancel_after.value,
        then=legs.orders,
        **order.fields(),
    )
    about = combos.explained(case.snapshot, side, expected) + legs.note
    return Entry(intent=intent, cancels=replaced, about=about)


def _left_behind(case: Case) -> Rejection | None:
    """D53: nothing is opened in a month that the chart has left, nor beside it."""
    if not case.is_left_behind:
        return None
    what, action = (
        (f"{case.ticker} is held", "exit") if case.position else (f"An order in {case.ticker} works", "cancel")
    )
    reason = (
        f"{what}, and {case.message.symbol.name} stands for a later month now, so nothing is opened beside it. Send "
        f'{{"ticker": "{case.ticker}", "action": "{action}"}} unless it is closed, then the entry again.'
    )
    return Rejection(rule="D53", code="position-in-another-month", reason=reason)


def _replaced(case: Case, side: Side, *, adding: bool) -> tuple[str, ...] | Rejection:
    """References that a new entry cancels, since a subscription works one entry per instrument; or why it may not come."""
    mirror = "" if side is Side.BUY else "s"
    canceled = () if adding else working.cancel_set(case, Leg.ENTRY)
    policy = case.terms.working_entry
    if adding or policy is WorkingEntry.KEEP:
        return canceled
    own_entries = [order for order in working.own_entries(case) if order.reference not in canceled]
    # An order that fills any moment cannot be replaced. It counts as a position: a new entry adds to it or is refused.
    filling = [order for order in own_entries if working.may_fill_any_moment(case, order)]
    grows = case.terms.allow_add and all(order.side is side for order in filling)
    if (own_entries and policy is WorkingEntry.REJECT) or (filling and not grows):
        return Rejection(
            rule=f"D39{mirror}",
            code="entry-already-working",
            reason=f"An entry order for {case.ticker} is already working, and this subscription works one at a time.",
        )
    resting = [order for order in own_entries if order not in filling]
    return tuple(dict.fromkeys((*canceled, *working.with_legs(case, resting))))


def wait_for_exit(entry: Entry, seconds: int) -> OrderIntent:
    """The entry as one that leaves only after its exit has filled, within `seconds` of the decision."""
    return replace(entry.intent, release=Release.AFTER_PARENT_FILLS, leave_within=seconds)
