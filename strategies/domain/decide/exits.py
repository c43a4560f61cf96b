"""Exits: a position or a part of it leaves, and no leg stays that would open the opposite position."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.domain.orders import TOUCHED, OrderIntent, OrderType, Resize, Role, Side, TimeInForce
from brokers.domain.sentences import grouped
from strategies.domain.decide import working
from strategies.domain.decide.case import Case
from strategies.domain.decide.hours import outside_windows
from strategies.domain.decide.limits import halted
from strategies.domain.decide.market_fit import spread_too_wide
from strategies.domain.decide.pricing import market_price, shape_order
from strategies.domain.decide.protection import Cut, cut_legs, stop_beside_exit
from strategies.domain.decide.sizing import measure_units, part_in_lots, whole_units
from strategies.domain.decide.too_late import too_late
from strategies.domain.plan import combos
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Leg, Source, effective
from strategies.domain.terms.terms import QuantityType

ALL = None
# What may never fill, for the market may not reach its price, or leave it behind at once.
_MAY_NOT_FILL = TOUCHED | {OrderType.LIMIT, OrderType.MIDPRICE, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP_LIMIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """An exit, the cancels and smaller legs before it, and the legs for what remains of the position."""

    intent: OrderIntent
    cancels: tuple[str, ...]
    resizes: tuple[Resize, ...]
    kept: tuple[OrderIntent, ...]
    all_of_it: bool
    # How it leaves, where that is not as it was wanted.
    about: str = ""

    def sentence(self, case: Case) -> str:
        """ "Exit 2 of 5 shares of AAPL held long." """
        what = "all" if self.intent.quantity == case.held else f"{grouped(self.intent.quantity)} of"
        return f"Exit {what} {grouped(case.held)} {case.units(case.held)} of {case.ticker} held {case.holding}."


def exit_held_back(case: Case) -> Rejection | None:
    """Why nothing may leave now."""
    return halted(case, entry=False) or too_late(case, Leg.EXIT) or outside_windows(case, Leg.EXIT)


def exit_quantity(case: Case, rule: str) -> Decimal | Rejection | None:
    """How many whole units the signal exits, None for all; a Rejection under `rule` where it is less than one."""
    if case.exit.quantity.value is None:
        return ALL
    units = measure_units(case, Leg.EXIT, market_price(case, case.exit_side, Leg.EXIT))
    if isinstance(units, Rejection):
        return units
    rounded = whole_units(units)
    if rounded > 0:
        return rounded
    return Rejection(rule=rule, code="exit-quantity-zero", reason=_less_than_one(case, units))


def _less_than_one(case: Case, units: Decimal) -> str:
    """A fraction sent as a plain quantity is a part of the position, more often than not."""
    sent, settings = case.message.quantity, case.exit
    reason = f"The quantity to exit is {grouped(round(units, 4))}, less than one whole unit."
    if settings.quantity_type.value is QuantityType.PERCENT_OF_POSITION:
        return f"{reason} The position is {grouped(case.held)}: send a larger part of it, or no quantity to exit all."
    if sent is not None and 0 < sent < 1 and settings.quantity.source is Source.SIGNAL:
        percent = grouped(sent * 100)
        part = f'For {percent} % of the position send "quantity": {percent}, "quantityType": "percent_of_position".'
        return f"{reason} {part}"
    return f"{reason} Send at least 1."


def plan_exit(case: Case, requested: Decimal | None) -> WayOut | Rejection:
    """The exit of `requested` units, None for all; units that leave by a working order do not leave twice."""
    if case.terms.ignore_exits:
        reason = f"This subscription ignores exits, so the {case.holding} position in {case.ticker} stays."
        rule = "D22s" if case.side is Side.SELL else "D22"
        return Rejection(rule=rule, code="exit-ignored", reason=reason)
    refused = exit_held_back(case) or spread_too_wide(case, Leg.EXIT)
    if refused is not None:
        return refused
    side, held = case.exit_side, case.held
    order = shape_order(case, side, Leg.EXIT)
    if isinstance(order, Rejection):
        return order
    if combos.not_taken(case.snapshot, order.type, order.time_in_force) is not None:
        # The opening auction, where the terms join it: for the day, it rests until then as well.
        order = replace(order, time_in_force=TimeInForce.DAY)
    canceled = working.cancel_set(case, Leg.EXIT)
    if order.type is OrderType.MARKET and (requested is None or requested >= held):
        canceled = tuple(dict.fromkeys((*canceled, *working.resting_exits(case, side))))
    left = held - working.leaving(case, side, canceled)
    if left <= 0:
        reason = f"An exit of all {grouped(held)} {case.units(held)} is already working."
        return Rejection(rule="D40", code="already-exiting", reason=reason)
    quantity = left if requested is None or requested >= left else part_in_lots(case, requested)
    if isinstance(quantity, Rejection):
        return quantity
    cut = _cut(case, left - quantity, canceled)
    # Until it fills, its part of the position keeps a stop.
    stop = stop_beside_exit(case, quantity) if order.type in _MAY_NOT_FILL else None
    intent = OrderIntent(
        role=Role.EXIT,
        instrument=case.snapshot.contract.instrument,
        side=side,
        quantity=quantity,
        cancel_after=case.exit.cancel_after.value,
        then=(stop,) if stop else (),
        **order.fields(),
    )
    return WayOut(
        intent=intent,
        cancels=cut.cancels,
        resizes=cut.resizes,
        kept=cut.kept,
        all_of_it=quantity == held,
        about=combos.taken_otherwise(case.snapshot, effective(case.message, case.terms, Leg.EXIT), intent),
    )


def _cut(case: Case, remainder: Decimal, canceled: tuple[str, ...]) -> Cut:
    """Requested cancels, and those of legs that would close more than `remainder` units.

    Where a part of the position stays, its legs stay too, even if their cancel was requested.
    """
    cut = cut_legs(case, remainder)
    if remainder > 0:
        legs = {order.reference for group in working.brackets(case).values() for order in group}
        canceled = tuple(reference for reference in canceled if reference not in legs)
        return replace(cut, cancels=tuple(dict.fromkeys((*canceled, *cut.cancels))))
    begun = working.with_legs(case, working.begun_entries(case))
    return replace(cut, cancels=tuple(dict.fromkeys((*canceled, *cut.cancels, *begun))))
