"""The pure heart: what one subscription makes of one signal.

Rule ids are the rows of the decision table (docs/decisions-table.md); an `s` behind one is its mirror for sells.
What a plan wants is put before the rulebook last; its refusals are the rules R01 to R04 (docs/rulebook.md).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.domain.orders import OrderIntent, OrderType, Role, Side
from brokers.domain.snapshot import Snapshot, WorkingOrder
from strategies.domain.assessment import assess
from strategies.domain.estimate import Estimate
from strategies.domain.freshness import Freshness, age_of, seconds
from strategies.domain.message import Action, Message
from strategies.domain.numbers import plain
from strategies.domain.plan import Plan, Rejection, Sides, Terms
from strategies.domain.sizing import limit_price, quantity, unit, whole_units


def decide(
    message: Message,
    terms: Terms,
    snapshot: Snapshot,
    now: datetime,
    *,
    received_at: datetime | None = None,
    freshness: Freshness | None = None,
) -> Plan | Rejection:
    """A plan or a rejection, with the rule that decided. Total: every input has an answer.

    `snapshot.position` is signed; `received_at` is when the signal came in, None for a rehearsal;
    `freshness` is how old it may be by its own time, None where that does not matter.
    """
    answer = _not_taken(message) or _wanted(message, terms, snapshot, now, received_at, freshness)
    return answer if isinstance(answer, Rejection) else _affordable(answer, message, snapshot, now)


def _not_taken(message: Message) -> Rejection | None:
    """What a signal may say and we cannot act on yet: without it the order would be another one, so there is none."""
    asked = next((name for name, wanted in _asked_in_vain(message) if wanted), None)
    if asked is None:
        return None
    return Rejection(
        rule="X02",
        code="not-supported-yet",
        reason=f"The signal asks for {asked}, which is not traded here yet. Send it without, or trade it by hand.",
    )


def _asked_in_vain(message: Message) -> tuple[tuple[str, bool], ...]:
    order = message.order
    return (
        (f"the action {message.action}", message.action not in {Action.BUY, Action.SELL, Action.EXIT}),
        ("a sentiment", message.sentiment is not None),
        (f"quantityType {message.quantity_type}", message.quantity_type != "fixed_quantity"),
        (f"orderType {order.type}", order.type not in {None, "market", "limit"}),
        ("a stop price", order.stop is not None),
        ("a trailing stop", order.trail_amount is not None or order.trail_percent is not None),
        ("timeInForce", order.tif is not None),
        ("extendedHours", bool(order.extended)),
        ("takeProfit", message.take_profit is not None),
        ("stopLoss", message.stop_loss is not None),
        ("cancel", message.cancel is not None or message.cancel_order_type is not None),
        ("cancelAfter", message.cancel_after is not None),
        ("breakevenOffset", message.breakeven_offset is not None),
        (
            "a bid-ask spread filter",
            message.bid_ask_spread_filter is not None or message.bid_ask_spread_filter_percent is not None,
        ),
        ("marketPriceType", message.market_price_type is not None),
        ("ignoreTradingWindows", bool(message.ignore_trading_windows)),
    )


def _affordable(plan: Plan, message: Message, snapshot: Snapshot, now: datetime) -> Plan | Rejection:
    """The plan with what each of its orders is expected to cost, unless the rulebook refuses one of them."""
    estimates: list[Estimate] = []

    def costed(intent: OrderIntent) -> OrderIntent | Rejection:
        found = assess(intent, snapshot, now, signal_price=message.signal_price)
        if isinstance(found, Rejection):
            return found
        estimates.append(found)
        children: list[OrderIntent] = []
        for child in intent.then:
            answer = costed(child)
            if isinstance(answer, Rejection):
                return answer
            children.append(answer)
        return replace(intent, estimated_fee=found.own_fee, then=tuple(children))

    intents: list[OrderIntent] = []
    for intent in plan.intents:
        answer = costed(intent)
        if isinstance(answer, Rejection):
            return answer
        intents.append(answer)
    return replace(plan, intents=tuple(intents), estimates=tuple(estimates))


def _wanted(
    message: Message,
    terms: Terms,
    snapshot: Snapshot,
    now: datetime,
    received_at: datetime | None,
    freshness: Freshness | None,
) -> Plan | Rejection:
    """What the signal, the terms and the position make of it, before anybody asks what it costs."""
    exits = message.action is Action.EXIT or snapshot.position * _side(message).sign < 0
    life = terms.exit_time_to_live_seconds if exits else terms.entry_time_to_live_seconds
    if received_at is not None and now - received_at >= timedelta(seconds=life):
        return Rejection(
            rule="T01",
            code="stale-signal",
            reason=f"The signal is older than the {life} seconds that this subscription gives it, so it is not traded late.",
        )
    if freshness is not None and received_at is not None:
        limit = freshness.exit_seconds if exits else freshness.entry_seconds
        age = age_of(message, received_at)
        if age is not None and age > timedelta(seconds=limit):
            return Rejection(
                rule="T03",
                code="stale-signal",
                reason=f"By its own time the signal was {seconds(age)} old when it came, and the strategy takes "
                f"{'an exit' if exits else 'an entry'} of at most {limit} seconds.",
            )
    if message.action is Action.EXIT:
        return _exit(message, terms, snapshot, "D28", ("D24", "D25", "D26"), life)
    side = _side(message)
    mirror = "" if side is Side.BUY else "s"
    if exits:
        return _exit(message, terms, snapshot, f"D15{mirror}", (f"D15{mirror}", f"D13{mirror}", f"D15{mirror}"), life)
    return _enter(message, terms, snapshot, side, mirror, life)


def _side(message: Message) -> Side:
    return Side.SELL if message.action is Action.SELL else Side.BUY


def _exit(
    message: Message, terms: Terms, snapshot: Snapshot, flat_rule: str, rules: tuple[str, str, str], life: int
) -> Plan | Rejection:
    """Close the position, or the part of it that the signal names; what is leaving already does not leave twice."""
    held = abs(snapshot.position)
    ticker = snapshot.contract.instrument.ticker
    if held == 0:
        return Rejection(rule=flat_rule, code="nothing-to-exit", reason=f"There is no position in {ticker} to exit.")
    side = Side.SELL if snapshot.position > 0 else Side.BUY
    leaving = sum((order.remaining for order in _working(snapshot, Role.EXIT, side)), Decimal(0))
    left = held - leaving
    if left <= 0:
        return Rejection(
            rule="D40",
            code="already-exiting",
            reason=f"An exit of all {plain(held)} {unit(snapshot.contract.instrument.asset_class, held)} is already working.",
        )
    full, part, capped = rules
    wanted = None if message.quantity is None else whole_units(message.quantity, snapshot)
    if wanted is not None and wanted <= 0:
        return Rejection(
            rule=part,
            code="exit-quantity-zero",
            reason="The quantity to exit is less than one whole unit. Send at least 1.",
        )
    amount = left if wanted is None else min(wanted, left)
    rule = full if wanted is None else part if wanted < held else capped
    intent = _intent(message, terms, snapshot, Role.EXIT, side, amount)
    if isinstance(intent, Rejection):
        return intent
    what = "all" if amount == held else f"{plain(amount)} of"
    holding = "long" if snapshot.position > 0 else "short"
    units = unit(snapshot.contract.instrument.asset_class, held)
    return Plan(
        rule=rule,
        reason=f"Exit {what} {plain(held)} {units} of {ticker} held {holding}.",
        intents=(intent,),
        time_to_live_seconds=life,
    )


def _enter(message: Message, terms: Terms, snapshot: Snapshot, side: Side, mirror: str, life: int) -> Plan | Rejection:
    """Open a position, or add to one where the terms allow it."""
    ticker = snapshot.contract.instrument.ticker
    direction = "long" if side is Side.BUY else "short"
    if terms.sides is (Sides.BEARISH if side is Side.BUY else Sides.BULLISH):
        return Rejection(
            rule=f"D02{mirror}",
            code="side-not-allowed",
            reason=f"This subscription trades the {terms.sides} side only, so it opens no {direction} position.",
        )
    adding = snapshot.position != 0
    if adding and not terms.allow_add:
        held = abs(snapshot.position)
        units = unit(snapshot.contract.instrument.asset_class, held)
        return Rejection(
            rule=f"D05{mirror}",
            code="position-already-open",
            reason=f"Already {direction} {plain(held)} {units} of {ticker}, and this subscription does not add to a position.",
        )
    if not terms.allow_add and _working(snapshot, Role.ENTRY, side):
        return Rejection(
            rule=f"D39{mirror}",
            code="entry-already-working",
            reason=f"An entry order for {ticker} is already working, and this subscription does not add to a position.",
        )
    amount = quantity(message, terms, snapshot)
    if isinstance(amount, Rejection):
        return amount
    intent = _intent(message, terms, snapshot, Role.ENTRY, side, amount)
    if isinstance(intent, Rejection):
        return intent
    units = unit(snapshot.contract.instrument.asset_class, amount)
    if adding:
        reason = (
            f"Add {plain(amount)} {units} of {ticker} to the {direction} position of {plain(abs(snapshot.position))}."
        )
    else:
        reason = f"Open {direction} with {plain(amount)} {units} of {ticker}."
    rule = f"D06{mirror}" if adding else f"D01{mirror}"
    return Plan(rule=rule, reason=reason, intents=(intent,), time_to_live_seconds=life)


def _intent(
    message: Message, terms: Terms, snapshot: Snapshot, role: Role, side: Side, amount: Decimal
) -> OrderIntent | Rejection:
    order_type = OrderType(message.order.type) if message.order.type else terms.order_type
    price = limit_price(message, order_type, side, snapshot)
    if isinstance(price, Rejection):
        return price
    return OrderIntent(
        role=role,
        instrument=snapshot.contract.instrument,
        side=side,
        type=order_type,
        quantity=amount,
        limit_price=price,
        time_in_force=terms.time_in_force,
        # IBKR works only limit orders outside regular hours.
        outside_rth=terms.outside_rth and order_type is OrderType.LIMIT,
    )


def _working(snapshot: Snapshot, role: Role, side: Side) -> list[WorkingOrder]:
    return [order for order in snapshot.working if order.role is role and order.side is side]
