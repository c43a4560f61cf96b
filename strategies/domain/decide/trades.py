"""Buys and sells: rows D01 to D23 of the trading rules."""

from __future__ import annotations

from decimal import Decimal

from brokers.domain.orders import Side
from brokers.domain.sentences import grouped
from strategies.domain.decide import target
from strategies.domain.decide.assembly import entry_plan, exit_plan, flip_plan, or_cancel
from strategies.domain.decide.case import Case
from strategies.domain.decide.entries import Entry, enter, side_allowed, wrong_side
from strategies.domain.decide.exits import ALL, exit_quantity, plan_exit
from strategies.domain.decide.sizing import opened_units
from strategies.domain.decide.too_late import opened_since
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.effective import Leg
from strategies.domain.terms.terms import QuantityType, Sides

_NOTHING = Decimal(0)
_INCLUDES_THE_EXIT = (
    " If the quantity includes the exit, as TradingView's does, switch on subtracting or send prevMarketPositionSize."
)


def trade(case: Case) -> Plan | Rejection:
    """A buy or a sell, by the position it meets."""
    side = case.side
    assert side is not None
    if case.message.target_quantity is not None:
        return target.approach(case, case.message.target_quantity)
    if case.position == 0:
        return _when_flat(case, side)
    if case.position * side.sign > 0:
        return _when_held(case, side)
    return _when_opposite(case, side)


def _mirrored(row: str, side: Side) -> str:
    return row if side is Side.BUY else f"{row}s"


def _toward(side: Side) -> str:
    """The sentiment that goes with the side."""
    return "bullish" if side is Side.BUY else "bearish"


def _when_flat(case: Case, side: Side) -> Plan | Rejection:
    sentiment = case.message.sentiment
    if sentiment == "flat":
        if refused := opened_since(case):
            return refused
        reason = f"The signal wants no position (sentiment flat), and there is none in {case.ticker}."
        refused = Rejection(rule=_mirrored("D03", side), code="no-entry-sentiment", reason=reason)
        return or_cancel(case, Leg.ENTRY, refused)
    if sentiment not in {None, _toward(side)}:
        reason = f"There is no position in {case.ticker} to reduce, and sentiment {sentiment} opens none on a {side}."
        refused = Rejection(rule=_mirrored("D04", side), code="nothing-to-reduce", reason=reason)
        return or_cancel(case, Leg.ENTRY, refused)
    if not side_allowed(case, side):
        return or_cancel(case, Leg.ENTRY, wrong_side(case, side, _mirrored("D02", side)))
    entry = enter(case, side, held=_NOTHING)
    if isinstance(entry, Rejection):
        return entry
    rule = "D01" if not entry.cancels else "D38" if case.entry.cancel.value else "D39"
    return entry_plan(case, _mirrored(rule, side), entry, opening(case, entry))


def opening(case: Case, entry: Entry) -> str:
    """ "Open long with 10 shares of AAPL." """
    intent = entry.intent
    direction = "long" if intent.side is Side.BUY else "short"
    instead = ", in the place of the entry that works" if entry.cancels else ""
    return f"Open {direction} with {grouped(intent.quantity)} {case.units(intent.quantity)} of {case.ticker}{instead}."


def adding(case: Case, entry: Entry) -> str:
    """ "Add 2 shares of AAPL to the long position of 5." """
    amount = entry.intent.quantity
    return f"Add {grouped(amount)} {case.units(amount)} of {case.ticker} to the {case.holding} position of {grouped(case.held)}."


def _when_held(case: Case, side: Side) -> Plan | Rejection:
    sentiment, held = case.message.sentiment, case.held
    if sentiment == "flat":
        return _out_of_step(case, side)
    if sentiment not in {None, _toward(side)}:
        reason = (
            f"A {side} cannot leave {sentiment} what is held {case.holding}. Send the other action, or no sentiment."
        )
        return Rejection(rule=_mirrored("D08", side), code="sentiment-conflict", reason=reason)
    if not case.terms.allow_add:
        reason = (
            f"Already {case.holding} {grouped(held)} {case.units(held)} of {case.ticker}, and this subscription does not add "
            "to a position."
        )
        return Rejection(rule=_mirrored("D05", side), code="position-already-open", reason=reason)
    if not side_allowed(case, side):
        return wrong_side(case, side, _mirrored("D02", side))
    entry = enter(case, side, held=held)
    if isinstance(entry, Rejection):
        return entry
    return entry_plan(case, _mirrored("D06", side), entry, adding(case, entry))


def _out_of_step(case: Case, side: Side) -> Plan | Rejection:
    """D07: the signal closes a long by a buy, or a short by a sell: its sender is out of step. Close, and say so."""
    rule, sent_at, opened = _mirrored("D07", side), case.message.signal_time, case.snapshot.opened_at
    if sent_at is not None and opened is not None and opened >= sent_at:
        reason = f"A signal of {opened:%H:%M:%S} UTC, no older than this one, has opened the position since. It stays."
        return Rejection(rule=rule, code="superseded-signal", reason=reason)
    way_out = plan_exit(case, ALL)
    if isinstance(way_out, Rejection):
        return way_out
    return exit_plan(case, rule, way_out, " The sender believed the opposite to be held; check that it is in step.")


def _when_opposite(case: Case, side: Side) -> Plan | Rejection:
    sentiment, terms = case.message.sentiment, case.terms
    if sentiment not in {None, _toward(side)} and (refused := opened_since(case)):
        return refused
    if sentiment == "flat":
        return _out(case, _mirrored("D16", side))
    own_side = Sides.BULLISH if side is Side.BUY else Sides.BEARISH
    if terms.isolate_sides and terms.sides is own_side:
        reason = f"This subscription keeps to the {own_side} side, so the {case.holding} position is not its to close."
        return Rejection(rule=_mirrored("D20", side), code="side-isolated", reason=reason)
    quantity = exit_quantity(case, _mirrored("D13", side))
    if isinstance(quantity, Rejection):
        return quantity
    part = quantity is not None and quantity < case.held
    if sentiment not in {None, _toward(side)}:
        return _out(case, _mirrored("D17" if part else "D18", side), quantity)
    if part and sentiment is None:
        return _out(case, _mirrored("D13", side), quantity)
    if case.exit.quantity_type.value is QuantityType.PERCENT_OF_POSITION and quantity is not None:
        return _out(case, "D27", quantity)
    if not side_allowed(case, side):
        return _out(case, _mirrored("D21", side))
    if not terms.allow_swap:
        return _out(case, _mirrored("D15", side))
    return _swap(case, side, quantity)


def _out(case: Case, rule: str, quantity: Decimal | None = ALL) -> Plan | Rejection:
    way_out = plan_exit(case, quantity)
    return way_out if isinstance(way_out, Rejection) else exit_plan(case, rule, way_out)


def _swap(case: Case, side: Side, quantity: Decimal | None) -> Plan | Rejection:
    """Exits one side and enters the other; rows D09 to D12, D14 and D19."""
    way_out = plan_exit(case, ALL)
    if isinstance(way_out, Rejection):
        return way_out
    # The sender's own word on what its quantity closes is more exact than subtracting what is held here.
    exact = opened_units(case) is not None
    subtract = case.terms.subtract_exit_quantity and quantity is not None and not exact
    rule = "D09" if quantity is None else "D11" if subtract else "D10"
    if case.message.sentiment is not None:
        rule = "D14"
    elif case.terms.sides is not Sides.BOTH:
        rule = "D19"
    if subtract and quantity is not None and quantity <= case.held:
        return exit_plan(case, _mirrored("D12" if rule == "D11" else rule, side), way_out)
    entry = enter(case, side, held=_NOTHING, minus=case.held if subtract else _NOTHING)
    doubtful = not subtract and not exact and quantity == 2 * case.held
    return flip_plan(case, _mirrored(rule, side), way_out, entry, note=_INCLUDES_THE_EXIT if doubtful else "")
