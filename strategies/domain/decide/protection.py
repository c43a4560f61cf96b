"""Take profit and stop loss: legs of an entry, legs of a position that shrinks, and the stop at break-even."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from brokers.domain.contracts import from_fill
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    Distance,
    DistanceIn,
    OrderIntent,
    OrderType,
    Release,
    Resize,
    Role,
    Side,
    StopMove,
    TimeInForce,
)
from brokers.domain.sentences import grouped
from brokers.domain.snapshot import WorkingOrder
from strategies.domain.decide import working
from strategies.domain.decide.case import Case
from strategies.domain.decide.pricing import round_to_tick, trail_distance, trail_share, works_outside
from strategies.domain.message.message import Bracket
from strategies.domain.plan.plan import Rejection

HUNDRED = Decimal(100)
# A position may be held for days, and its protection with it.
LEGS_LIVE = TimeInForce.GTC
_TRAILS = frozenset({"trailAmount", "trailPercent"})
_DISTANCES = {"percent": DistanceIn.PERCENT, "amount": DistanceIn.AMOUNT, "pnlAmount": DistanceIn.PNL}


def stop_distance(case: Case, side: Side, expected: Decimal | None) -> Decimal | None:
    """How far the stop is from the entry, in money of the contract per unit; None where only the size would tell, or nothing."""
    stop = case.entry.stop_loss.value
    if stop is None:
        return None
    if stop.mode in {"amount", "trailAmount"}:
        return stop.value
    if expected is None or stop.mode == "pnlAmount":
        return None
    if stop.mode in {"percent", "trailPercent"}:
        return expected * stop.value / HUNDRED
    distance = (expected - stop.value) * side.sign
    return distance if distance > 0 else None


@dataclass(frozen=True, slots=True)
class ProtectedEntry:
    """The entry that legs travel with. `expected` is the price it should fill at, None where nothing tells."""

    side: Side
    quantity: Decimal
    expected: Decimal | None


def leg_of(case: Case, entry: ProtectedEntry, role: Role, bracket: Bracket) -> OrderIntent | Rejection:
    """One stop loss or take profit of an entry, or why it has no price."""
    side = entry.side.opposite
    values: dict[str, Any] = {
        "role": role,
        "instrument": case.snapshot.contract.instrument,
        "side": side,
        "quantity": entry.quantity,
        "time_in_force": LEGS_LIVE,
        "release": Release.WITH_PARENT,
    }
    if bracket.mode in _TRAILS:
        if bracket.mode == "trailAmount":
            values["trail_amount"] = trail_distance(case, bracket.value, entry.expected)
        else:
            values["trail_percent"] = trail_share(bracket.value)
        if role is Role.STOP_LOSS and _kind(case, bracket) is OrderType.TRAILING_STOP_LIMIT:
            return _trailing_with_limit(case, entry, bracket, values)
        return _outside(case, OrderIntent(type=OrderType.TRAILING_STOP, **values))
    price = _leg_price(case, entry, role, bracket)
    if isinstance(price, Rejection):
        return price
    if case.terms.legs_from_fill and (distance := distance_of(bracket)) is not None:
        values["from_fill"] = distance.kept()
    if role is Role.TAKE_PROFIT:
        return _outside(case, OrderIntent(type=OrderType.LIMIT, limit_price=price, **values))
    kind = _kind(case, bracket)
    if kind is not OrderType.STOP_LIMIT:
        return _outside(case, OrderIntent(type=OrderType.STOP, stop_price=price, **values))
    limit = round_to_tick(case, bracket.limit or price, side, "stopLoss.limitPrice", "limit")
    if isinstance(limit, Rejection):
        return limit
    return _outside(case, OrderIntent(type=kind, stop_price=price, limit_price=limit, **values))


def _kind(case: Case, bracket: Bracket) -> OrderType:
    """The type that the stop loss is to have: the signal's, else the terms'."""
    return OrderType(bracket.type) if bracket.type else case.terms.stop_loss_type


def _trailing_with_limit(
    case: Case, entry: ProtectedEntry, bracket: Bracket, values: dict[str, Any]
) -> OrderIntent | Rejection:
    """A trailing stop that becomes a limit order: where its stop stands as the entry fills, and the limit beyond that.

    IBKR moves both behind the market from there, and keeps the distance between them.
    """
    side, expected = entry.side.opposite, entry.expected
    offset = bracket.offset if bracket.offset is not None else case.terms.stop_loss_limit_offset
    if offset is None:
        reason = "A trailing stop limit needs the distance of its limit: send `limitOffset` in stopLoss, or set one in the terms."
        return Rejection(rule="P04", code="limit-offset-required", reason=reason)
    if expected is None:
        reason = (
            "The stopLoss trails with a limit, and no entry price says where both begin. Send `price` in the signal."
            f"{case.about_quote}"
        )
        return Rejection(rule="P03", code="price-required", reason=reason)
    percent = values.get("trail_percent")
    distance = values["trail_amount"] if percent is None else expected * percent / HUNDRED
    stop = round_to_tick(case, expected + side.sign * distance, side, "stopLoss", "stop")
    if isinstance(stop, Rejection):
        return stop
    if offset >= stop:
        reason = f"The limit would be {grouped(offset)} beyond a stop of {grouped(stop)}. Check the stopLoss's `limitOffset`."
        return Rejection(rule="P02", code="invalid-limit-offset", reason=reason)
    limit = round_to_tick(case, stop + side.sign * offset, side, "stopLoss.limitOffset", "limit")
    if isinstance(limit, Rejection):
        return limit
    kind = OrderType.TRAILING_STOP_LIMIT
    return _outside(case, OrderIntent(type=kind, stop_price=stop, limit_price=limit, **values))


def _outside(case: Case, leg: OrderIntent) -> OrderIntent:
    return replace(leg, outside_rth=works_outside(case, leg.type))


def distance_of(bracket: Bracket) -> Distance | None:
    """A leg's distance from its entry; None where its price is its own, or where it trails."""
    counts = _DISTANCES.get(bracket.mode)
    return None if counts is None else Distance(value=bracket.value, counts=counts)


def _leg_price(case: Case, entry: ProtectedEntry, role: Role, bracket: Bracket) -> Decimal | Rejection:
    """Absolute, or a distance from the entry; on the tick grid, and on the side of the entry where it has to be."""
    field = "takeProfit" if role is Role.TAKE_PROFIT else "stopLoss"
    away = entry.side.sign if role is Role.TAKE_PROFIT else -entry.side.sign
    expected = entry.expected
    if bracket.mode in {"limitPrice", "stopPrice"}:
        exact = bracket.value
    elif (distance := distance_of(bracket)) is None or expected is None:
        reason = f"The {field} is a distance, and no entry price says from where. Send `price` in the signal.{case.about_quote}"
        return Rejection(rule="P03", code="price-required", reason=reason)
    else:
        fill = from_fill.Fill(quantity=entry.quantity, average=expected)
        exact = from_fill.exact(distance, role, entry.side.opposite, fill, case.snapshot.contract.multiplier)
    price = round_to_tick(case, exact, entry.side.opposite, field, "bracket")
    if isinstance(price, Rejection) or expected is None or (price - expected) * away > 0:
        return price
    reason = (
        f"The {field} at {grouped(price)} is on the wrong side of an entry at {grouped(expected)}, so it would fill at once. "
        "Check its value."
    )
    return Rejection(rule="P05", code="bracket-on-wrong-side", reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Legs to cancel by reference, legs to shrink where they rest, and `kept`: orders that replace canceled legs."""

    cancels: tuple[str, ...] = ()
    resizes: tuple[Resize, ...] = ()
    kept: tuple[OrderIntent, ...] = ()


def cut_legs(case: Case, remainder: Decimal) -> Cut:
    """Cuts the legs of a position that shrinks to `remainder` units, so that they never close more than is held.

    A leg that rests at the broker is changed in place: the position keeps its stop at every moment.
    """
    groups = _in_their_turn(case)
    excess = sum((_size(group) for group in groups), Decimal(0)) - remainder
    cancels = [order.reference for group in groups if not _size(group) for order in group]
    resizes: list[Resize] = []
    kept: list[OrderIntent] = []
    for group in groups:
        size = _size(group)
        if excess <= 0 or not size:
            continue
        rest = max(size - excess, Decimal(0))
        excess -= size - rest
        kept_orders = [order for order in group if working.can_be_canceled(order)]
        if rest > 0 and all(_can_be_smaller(order) for order in kept_orders):
            resizes += [
                Resize(reference=order.reference, quantity=rest + order.filled)
                for order in kept_orders
                if order.remaining > rest
            ]
            continue
        cancels += [order.reference for order in group]
        if rest > 0:
            kept += group_orders(_sent_again(case, order, min(rest, order.remaining)) for order in kept_orders)
    return Cut(cancels=tuple(cancels), resizes=tuple(resizes), kept=tuple(kept))


def _in_their_turn(case: Case) -> list[list[WorkingOrder]]:
    """The legs of a position as they go when a part of it leaves: those of the oldest entry first; of an entry with several
    targets what has no target, then the furthest, so that the nearest stay, and with them when the stop moves."""
    groups = list(working.brackets(case).values())
    tickets = list(dict.fromkeys(group[0].ticket for group in groups))

    def turn(group: list[WorkingOrder]) -> tuple[int, bool, Decimal]:
        targets = [o.limit_price for o in group if o.role is Role.TAKE_PROFIT and o.limit_price is not None]
        return tickets.index(group[0].ticket), bool(targets), sum(targets[:1], Decimal(0)) * case.exit_side.sign

    return sorted(groups, key=turn)


def _can_be_smaller(order: WorkingOrder) -> bool:
    return order.status in CHANGED_IN_PLACE and not order.keeps_its_size


def _size(group: Sequence[WorkingOrder]) -> Decimal:
    """How much the legs of one entry would close; nothing when all of them are being canceled."""
    return max((order.remaining for order in group if working.can_be_canceled(order)), default=Decimal(0))


def _sent_again(case: Case, order: WorkingOrder, quantity: Decimal) -> OrderIntent:
    return OrderIntent(
        role=order.role,
        instrument=case.snapshot.contract.instrument,
        side=order.side,
        type=order.type,
        quantity=quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_amount=order.trail_amount,
        trail_percent=order.trail_percent,
        time_in_force=order.time_in_force,
        outside_rth=order.outside_rth or works_outside(case, order.type),
        moves=None if order.moves is None else order.moves.carried_from(order.reference),
    )


def group_orders(orders: Iterable[OrderIntent]) -> list[OrderIntent]:
    """Orders as one group in which a fill cancels the rest; the stop comes first, so that it arrives if only one does."""
    ordered = sorted(orders, key=lambda each: each.role is not Role.STOP_LOSS)
    if not ordered:
        return []
    head, rest = ordered[0], ordered[1:]
    return [replace(head, then=tuple(replace(each, release=Release.IN_GROUP) for each in rest))]


def _rule_of(group: Iterable[WorkingOrder]) -> StopMove | None:
    stops = (order for order in group if order.role is Role.STOP_LOSS)
    return next((order.moves.carried_from(order.reference) for order in stops if order.moves is not None), None)


def stop_beside_exit(case: Case, quantity: Decimal) -> OrderIntent | None:
    """A stop for an exit that may have to wait, in one group with it: the first of the two to fill cancels the other.

    It has the price of the stop nearest to the market and the size of the exit. None where the position has no stop.
    """
    stops = [
        order
        for group in working.brackets(case).values()
        for order in group
        if order.role is Role.STOP_LOSS and working.can_be_canceled(order)
    ]
    if not stops:
        return None
    nearest = max(
        stops, key=lambda order: (order.stop_price is not None, case.exit_side.sign * -(order.stop_price or 0))
    )
    return replace(_sent_again(case, nearest, quantity), release=Release.IN_GROUP)


def replace_stops(case: Case, stop: OrderIntent, quantity: Decimal) -> Cut:
    """`stop` instead of every stop of the position, over all `quantity` units; a take profit stays, beside its own part.

    What was to become of a stop once targets have filled is to become of the one in its place.
    """
    cancels: list[str] = []
    kept: list[OrderIntent] = []
    left = quantity
    rule: StopMove | None = None
    for group in working.brackets(case).values():
        cancels += [order.reference for order in group]
        profits = [o for o in group if o.role is Role.TAKE_PROFIT and working.can_be_canceled(o)]
        size = min(_size(profits), left) if profits else Decimal(0)
        if size > 0:
            left -= size
            profits_again = [_sent_again(case, order, min(order.remaining, size)) for order in profits]
            kept += group_orders([replace(stop, quantity=size, moves=_rule_of(group)), *profits_again])
        else:
            rule = rule or _rule_of(group)
    if left > 0:
        kept.append(replace(stop, quantity=left, moves=rule))
    return Cut(cancels=tuple(cancels), kept=tuple(kept))
