"""What travels with an entry: its stop and its target, or several targets with their parts and the rule by which the stop moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.domain.contracts import rungs, stop_moves
from brokers.domain.orders import TRAILING, MoveTo, OrderIntent, OrderType, Role, StopMove
from brokers.domain.sentences import grouped
from strategies.domain.decide.case import Case
from strategies.domain.decide.protection import ProtectedEntry, leg_of
from strategies.domain.decide.sizing import lot, opened_units
from strategies.domain.message.message import Ladder
from strategies.domain.plan.ladders import ladder
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Source
from strategies.domain.terms.terms import QuantityType


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """What travels with an entry, and a sentence about its targets where there are several, "" elsewhere."""

    orders: tuple[OrderIntent, ...]
    note: str = ""


def build_legs(case: Case, entry: ProtectedEntry) -> Legs | Rejection:
    """The stop loss and the take profits of an entry. A leg whose price is unknown refuses the entry: it is never naked."""
    stop, profit = case.entry.stop_loss.value, case.entry.take_profit.value
    legs: list[OrderIntent] = []
    for role, bracket in ((Role.STOP_LOSS, stop), (Role.TAKE_PROFIT, profit)):
        if bracket is None or isinstance(bracket, Ladder):
            continue
        leg = leg_of(case, entry, role, bracket)
        if isinstance(leg, Rejection):
            return leg
        legs.append(leg)
    if not isinstance(profit, Ladder):
        stays = stop is not None and stop.moves is not None
        return Legs(orders=tuple(legs), note=" The stop does not move: that takes several targets." if stays else "")
    targets = _targets(case, entry, profit)
    if isinstance(targets, Rejection) or stop is None or stop.moves is None:
        return targets if isinstance(targets, Rejection) else replace(targets, orders=(*legs, *targets.orders))
    return _with_move(stop.moves, legs[0], targets, entry)


def _with_move(move: StopMove, stop: OrderIntent, targets: Legs, entry: ProtectedEntry) -> Legs | Rejection:
    """The stop with its rule: what becomes of it once targets have filled."""
    if stop.type is not OrderType.STOP and (stop.type in TRAILING or move.to is not MoveTo.BREAK_EVEN):
        kind = str(stop.type).replace("_", " ")
        reason = f"The stop is to move once a target fills, and a {kind} stop does not. Send it as a stop, or without moveTo."
        return Rejection(rule="P11", code="stop-does-not-move", reason=reason)
    if len(targets.orders) < move.after:
        note = f" The stop does not move: there is no target {move.after}."
        return Legs(orders=(stop, *targets.orders), note=targets.note + note)
    target = targets.orders[move.after - 1].limit_price
    if move.to is MoveTo.BREAK_EVEN and entry.expected is not None and target is not None:
        goes_to = entry.expected + entry.side.sign * move.by
        if (target - goes_to) * entry.side.sign <= 0:
            reason = (
                f"The stop is to go to {grouped(goes_to)} once the target at {grouped(target)} has filled, and would fill there at "
                "once. Send a smaller moveOffset, or a later target."
            )
            return Rejection(rule="P11", code="move-beyond-target", reason=reason)
    what = "the first target" if move.after == 1 else f"{move.after} targets"
    note = f" Once {what} {'has' if move.after == 1 else 'have'} filled, the stop {stop_moves.in_words(move)}."
    # The targets know of it too, so that the fill of any other is not asked about.
    orders = (replace(stop, moves=move), *(replace(each, moves=move) for each in targets.orders))
    return Legs(orders=orders, note=targets.note + note)


def _targets(case: Case, entry: ProtectedEntry, targets: Ladder) -> Legs | Rejection:
    """Several take profits: a part of the entry for each, and the sentence that says which."""
    sent = _sent_beside(case)
    sizes = ladder.parts(targets, entry.quantity, Decimal(lot(case)), sent=sent)
    if sizes is None:
        asked = sum((rung.quantity or Decimal(0) for rung in targets.rungs), Decimal(0))
        reason = (
            f"The targets take {grouped(asked)} {case.units(asked)}, and the entry is {grouped(sent or entry.quantity)}. Send "
            "smaller quantities, or each as quantityPercent."
        )
        return Rejection(rule="S11", code="targets-over-entry", reason=reason)
    legs: list[OrderIntent] = []
    for rung, size in zip(targets.rungs, sizes, strict=True):
        if not size:
            continue
        leg = leg_of(case, replace(entry, quantity=size), Role.TAKE_PROFIT, rung.target)
        if isinstance(leg, Rejection):
            return leg
        if legs and (refused := _out_of_order(entry, legs[-1], leg)):
            return refused
        legs.append(leg)
    rest = entry.quantity - sum(sizes, Decimal(0))
    if case.snapshot.group is not None:
        legs = _with_shares(legs, targets, sizes, sent or entry.quantity)
    orders = len(legs) + bool(rest)
    if orders > 1 and str(case.snapshot.contract.instrument.asset_class).endswith("option"):
        return _both_sides(case)
    return Legs(orders=tuple(legs), note=_told(case, legs, rest, sizes.count(Decimal(0))))


def _with_shares(
    legs: Sequence[OrderIntent], targets: Ladder, sizes: Sequence[Decimal], of: Decimal
) -> list[OrderIntent]:
    """The targets of an entry for an advisor's group, each with its share: it is a share of what each account gets."""
    shares = ladder.shares_of(targets, of) or []
    kept = rungs.kept(shares, sizes)
    return [replace(leg, share=ladder.as_kept(share)) for leg, share in zip(legs, kept, strict=True)]


def _sent_beside(case: Case) -> Decimal | None:
    """The quantity that a signal sent beside the quantities of its targets; None where one of the two is not the signal's."""
    settings = case.entry
    of_signal = settings.take_profit.source is Source.SIGNAL and settings.quantity.source is Source.SIGNAL
    if not of_signal or settings.quantity_type.value is not QuantityType.FIXED:
        return None
    return opened_units(case) or settings.quantity.value


def _both_sides(case: Case) -> Rejection:
    reason = (
        f"{case.ticker} is an option, and IBKR takes no purchase of one while a sale of it works, so an entry in parts would be "
        "refused from the second part on. Send one takeProfit, and take parts by exits."
    )
    return Rejection(rule="P10", code="targets-of-option", reason=reason)


def _out_of_order(entry: ProtectedEntry, before: OrderIntent, after: OrderIntent) -> Rejection | None:
    """Why a target may not stand behind the one before it; None where it is further from the entry."""
    nearer, further = before.limit_price or Decimal(0), after.limit_price or Decimal(0)
    if (further - nearer) * entry.side.sign > 0:
        return None
    if further == nearer:
        reason = f"Two targets are at {grouped(nearer)}. Send one of them, with the quantity of both."
        return Rejection(rule="P09", code="target-doubled", reason=reason)
    reason = (
        f"The target at {grouped(further)} stands behind the one at {grouped(nearer)}, which is further from the entry. Send the "
        "nearest target first."
    )
    return Rejection(rule="P09", code="targets-out-of-order", reason=reason)


def _told(case: Case, targets: Sequence[OrderIntent], rest: Decimal, empty: int) -> str:
    """ "Targets: 3 at 105, 3 at 110, 4 without one. It leaves as 3 orders, each with its part of the stop." """
    named = [f"{grouped(each.quantity)} at {grouped(each.limit_price or Decimal(0))}" for each in targets]
    named += [f"{grouped(rest)} without one"] if rest else []
    # Of a group's entry it is said once it is known who gets how many.
    told = "" if case.snapshot.group is not None else f" Targets: {', '.join(named)}."
    if empty:
        step = Decimal(lot(case))
        which = (
            "One more is left out, since its part is"
            if empty == 1
            else f"{empty} more are left out, since each part is"
        )
        told += f" {which} less than {grouped(step)} {case.units(step)}."
    if len(named) > 1 and case.snapshot.group is None:
        stop = "" if case.entry.stop_loss.value is None else ", each with its part of the stop"
        told += f" It leaves as {len(named)} orders{stop}."
    return told
