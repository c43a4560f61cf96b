"""The plan of a signal that changes working orders in place: rows M01 to M08 of the trading rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from brokers.domain.contracts.lifetimes import in_words
from brokers.domain.orders import MODIFIABLE, Lifetime, Modification, OrderType, Role, TimeInForce
from brokers.domain.sentences import all_of, grouped
from brokers.domain.snapshot import WorkingOrder
from strategies.domain.decide.case import Case
from strategies.domain.decide.modifying import choosing, prices, risk
from strategies.domain.decide.sizing import lot
from strategies.domain.decide.too_late import time_to_live
from strategies.domain.message.message import Bracket
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.effective import Leg

Pair = tuple[WorkingOrder, Modification]
_NAMES = {
    "stop_price": "stop",
    "limit_price": "limit",
    "trail_amount": "trail",
    "trail_percent": "trail in percent",
    "quantity": "size",
}
_ROLES = {Role.STOP_LOSS: "the stop", Role.TAKE_PROFIT: "the target", Role.ENTRY: "the entry", Role.EXIT: "the exit"}


def modify(case: Case) -> Plan | Rejection:
    """M01 to M08: changes the prices, the trail or the size of orders that work, where they stand; it places none."""
    pairs: list[Pair] = []
    for wished in _wishes(case):
        if isinstance(wished, Rejection):
            return wished
        pairs += wished
    if not pairs:
        reason = f"The signal names nothing to change of the orders in {case.ticker}. Send stopPrice, limitPrice or another new value."
        return Rejection(rule="M03", code="nothing-to-change", reason=reason)
    changed = [pair for pair in _merged(pairs) if _differs(*pair)]
    if not changed:
        return _already(case, pairs)
    for order, change in changed:
        if refused := risk.held_back(case, order, change):
            return refused
    legs_only = all(order.role in {Role.STOP_LOSS, Role.TAKE_PROFIT} for order, _ in changed)
    leg = Leg.ENTRY if any(order.role is Role.ENTRY for order, _ in changed) else Leg.EXIT
    return Plan(
        rule="M01" if legs_only else "M02",
        reason=f"Change in place: {all_of(_sentence(case, *pair) for pair in changed)}.",
        intents=(),
        modifications=tuple(change for _, change in changed),
        time_to_live_seconds=time_to_live(case, leg),
    )


def _wishes(case: Case) -> Iterator[list[Pair] | Rejection]:
    """What each field of the signal wants: orders, each with its change."""
    message = case.message
    shape = message.order
    if message.stop_loss is not None:
        yield _stops(case, choosing.stops(case), message.stop_loss, "stopLoss")
    for mode, value in (
        ("stopPrice", shape.stop),
        ("trailAmount", shape.trail_amount),
        ("trailPercent", shape.trail_percent),
    ):
        if value is not None:
            yield _stops(case, choosing.with_a_stop(case), Bracket(mode=mode, value=value), mode)
    if isinstance(message.take_profit, Bracket):
        yield _target(case, choosing.target(case), message.take_profit, "takeProfit")
    if shape.limit is not None:
        yield _limits(case, choosing.with_a_limit(case), shape.limit)
    if message.quantity is not None:
        yield _sizes(case, choosing.resizable(case), message.quantity)
    if shape.good_till is not None or shape.tif == TimeInForce.GTC:
        yield _ends(case, choosing.with_an_end(case), shape.good_till)


def _stops(case: Case, chosen: choosing.Chosen, wish: Bracket, field: str) -> list[Pair] | Rejection:
    if isinstance(chosen, Rejection):
        return chosen
    return _each((order, prices.new_stop(case, order, wish, field)) for order in chosen)


def _target(case: Case, chosen: choosing.Chosen, wish: Bracket, field: str) -> list[Pair] | Rejection:
    if isinstance(chosen, Rejection):
        return chosen
    return _each((order, prices.new_target(case, order, wish, field)) for order in chosen)


def _limits(case: Case, chosen: choosing.Chosen, limit: Decimal) -> list[Pair] | Rejection:
    if isinstance(chosen, Rejection):
        return chosen
    wish = Bracket(mode="limitPrice", value=limit)
    return _each(
        (
            order,
            prices.new_target(case, order, wish, "limitPrice")
            if order.role is Role.TAKE_PROFIT
            else prices.new_limit(case, order, limit),
        )
        for order in chosen
    )


def _sizes(case: Case, chosen: choosing.Chosen, quantity: Decimal) -> list[Pair] | Rejection:
    """The order, and what was sent with it: legs leave first where it shrinks, so that they never close more than it opens."""
    if isinstance(chosen, Rejection):
        return chosen
    if case.snapshot.group is not None:
        reason = f"IBKR has divided the order in {case.ticker} among the group's accounts, so its size stays. Cancel it and send a new one."
        return Rejection(rule="M06", code="cannot-be-changed", reason=reason)
    [order] = chosen
    of_each = lot(case)
    if of_each > 1 and quantity % of_each:
        reason = f"{case.ticker} trades in lots of {of_each}, and {grouped(quantity)} makes no whole number of them. Send a multiple of {of_each}."
        return Rejection(rule="S10", code="quantity-not-in-lots", reason=reason)
    legs = choosing.legs_of(case, order)
    smaller = quantity < order.remaining + order.filled
    ordered = (*legs, order) if smaller else (order, *legs)
    return _each((each, prices.new_quantity(each, quantity)) for each in ordered)


def _ends(case: Case, chosen: choosing.Chosen, sent: str | None) -> list[Pair] | Rejection:
    if isinstance(chosen, Rejection):
        return chosen
    return _each((order, prices.new_end(case, order, sent)) for order in chosen)


def _each(pairs: Iterable[tuple[WorkingOrder, Modification | Rejection]]) -> list[Pair] | Rejection:
    found: list[Pair] = []
    for order, change in pairs:
        if isinstance(change, Rejection):
            return change
        found.append((order, change))
    return found


def _merged(pairs: Iterable[Pair]) -> list[Pair]:
    """One change for each order, however many fields are about it."""
    merged: dict[str, Pair] = {}
    for order, change in pairs:
        _, before = merged.get(order.reference, (order, change))
        further = {name: value for name in MODIFIABLE if (value := getattr(change, name)) is not None}
        lifetime = change.lifetime or before.lifetime
        merged[order.reference] = (order, replace(before, **further, lifetime=lifetime))
    return list(merged.values())


def _differs(order: WorkingOrder, change: Modification) -> bool:
    if change.lifetime is not None and change.lifetime.good_till != order.good_till:
        return True
    return any(getattr(change, name) not in {None, _now(order, name)} for name in MODIFIABLE)


def _now(order: WorkingOrder, name: str) -> Decimal | None:
    if name == "quantity":
        return order.remaining + order.filled
    value: Decimal | None = getattr(order, name)
    return value


def _already(case: Case, pairs: Iterable[Pair]) -> Rejection:
    named = all_of(_ROLES[order.role] for order, _ in pairs)
    reason = f"{named[0].upper()}{named[1:]} of {case.ticker} is as the signal wants it already, so nothing is sent."
    return Rejection(rule="M07", code="already-so", reason=reason)


def _sentence(case: Case, order: WorkingOrder, change: Modification) -> str:
    """ "the stop of 10 shares of AAPL from 95 to 97"."""
    parts = [
        f"{_NAMES[name]} {_from(_now(order, name))}to {grouped(value)}"
        for name in MODIFIABLE
        if (value := getattr(change, name)) is not None and value != _now(order, name)
    ]
    if change.lifetime is not None:
        parts.append(f"{in_words(change.lifetime)}, before {in_words(Lifetime(order.good_till))}")
    size = order.remaining
    what = f"{_ROLES[order.role]} of {grouped(size)} {case.units(size)} of {case.ticker}"
    # The stop of a stop needs no second naming.
    if order.type is OrderType.STOP and change.quantity is None:
        parts = [part.removeprefix("stop ") for part in parts]
    return f"{what} {', '.join(parts)}"


def _from(value: Decimal | None) -> str:
    return "" if value is None else f"from {grouped(value)} "
