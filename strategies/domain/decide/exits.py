"""Ways out: all of a position or a part of it, with the legs that would otherwise open the opposite one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.domain.orders import OrderIntent, OrderType, Resize, Role, Side
from strategies.domain.decide import working
from strategies.domain.decide.case import Case
from strategies.domain.decide.guards import halted
from strategies.domain.decide.hours import outside_windows
from strategies.domain.decide.pricing import market, shape, too_wide
from strategies.domain.decide.protection import Cut, cut_to, stop_beside
from strategies.domain.decide.sizing import measured, whole
from strategies.domain.decide.too_late import too_late
from strategies.domain.numbers import plain
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Leg

ALL = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """An exit with what it needs: cancels and smaller legs before it, and legs for what remains."""

    intent: OrderIntent
    cancels: tuple[str, ...]
    resizes: tuple[Resize, ...]
    kept: tuple[OrderIntent, ...]
    all_of_it: bool

    def sentence(self, case: Case) -> str:
        """ "Exit 2 of 5 shares of AAPL held long." """
        what = "all" if self.intent.quantity == case.held else f"{plain(self.intent.quantity)} of"
        return f"Exit {what} {plain(case.held)} {case.units(case.held)} of {case.ticker} held {case.holding}."


def held_back(case: Case) -> Rejection | None:
    """Why nothing may leave now."""
    return halted(case, entry=False) or too_late(case, Leg.EXIT) or outside_windows(case, Leg.EXIT)


def asked(case: Case, rule: str) -> Decimal | Rejection | None:
    """How many the signal wants out, in whole units; None for all."""
    if case.exit.quantity.value is None:
        return ALL
    found = measured(case, Leg.EXIT, market(case, case.way_out, Leg.EXIT))
    if isinstance(found, Rejection):
        return found
    wanted = whole(found)
    if wanted > 0:
        return wanted
    return Rejection(
        rule=rule,
        code="exit-quantity-zero",
        reason="The quantity to exit is less than one whole unit. Send at least 1.",
    )


def leave(case: Case, wanted: Decimal | None) -> Way | Rejection:
    """The exit of `wanted` units, None for all; what is leaving already does not leave twice."""
    if case.terms.ignore_exits:
        reason = f"This subscription ignores exits, so the {case.holding} position in {case.ticker} stays."
        rule = "D22s" if case.side is Side.SELL else "D22"
        return Rejection(rule=rule, code="exit-ignored", reason=reason)
    refused = held_back(case) or too_wide(case, Leg.EXIT)
    if refused is not None:
        return refused
    side, held = case.way_out, case.held
    order = shape(case, side, Leg.EXIT)
    if isinstance(order, Rejection):
        return order
    asked_for = working.cancel_set(case, Leg.EXIT)
    if order.type is OrderType.MARKET and (wanted is None or wanted >= held):
        asked_for = tuple(dict.fromkeys((*asked_for, *working.resting_exits(case, side))))
    left = held - working.leaving(case, side, asked_for)
    if left <= 0:
        reason = f"An exit of all {plain(held)} {case.units(held)} is already working."
        return Rejection(rule="D40", code="already-exiting", reason=reason)
    quantity = left if wanted is None else min(wanted, left)
    cut = _cut(case, left - quantity, asked_for)
    # A limit may never be reached: until it is, its part of the position keeps a stop.
    stop = stop_beside(case, quantity) if order.type is OrderType.LIMIT else None
    intent = OrderIntent(
        role=Role.EXIT,
        instrument=case.snapshot.contract.instrument,
        side=side,
        quantity=quantity,
        cancel_after=case.exit.cancel_after.value,
        then=(stop,) if stop else (),
        **order.fields(),
    )
    return Way(intent=intent, cancels=cut.cancels, resizes=cut.resizes, kept=cut.kept, all_of_it=quantity == held)


def _cut(case: Case, remainder: Decimal, asked_for: tuple[str, ...]) -> Cut:
    """Cancels that were asked for, and those of legs that would close more than is left.

    Where a part of the position stays, so does its protection, whatever was asked to be canceled.
    """
    cut = cut_to(case, remainder)
    if remainder > 0:
        legs = {order.reference for group in working.brackets(case).values() for order in group}
        asked_for = tuple(reference for reference in asked_for if reference not in legs)
        return replace(cut, cancels=tuple(dict.fromkeys((*asked_for, *cut.cancels))))
    begun = working.with_legs(case, working.begun_entries(case))
    return replace(cut, cancels=tuple(dict.fromkeys((*asked_for, *cut.cancels, *begun))))
