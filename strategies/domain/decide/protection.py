"""Take profit and stop loss: the legs of an entry, the legs of what remains, and the stop at break-even."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from brokers.domain.orders import CHANGED_IN_PLACE, OrderIntent, OrderType, Release, Resize, Role, Side, TimeInForce
from brokers.domain.snapshot import WorkingOrder
from strategies.domain.decide import working
from strategies.domain.decide.case import Case
from strategies.domain.decide.pricing import on_tick
from strategies.domain.message.message import Bracket
from strategies.domain.numbers import plain
from strategies.domain.plan.plan import Rejection

HUNDRED = Decimal(100)
# A position may be held for days, and its protection with it.
LEGS_LIVE = TimeInForce.GTC
_TRAILS = frozenset({"trailAmount", "trailPercent"})


def stop_distance(case: Case, side: Side, expected: Decimal | None) -> Decimal | None:
    """How far the stop is from the entry, as far as it can be told before the size is known."""
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


def legs(case: Case, side: Side, quantity: Decimal, expected: Decimal | None) -> tuple[OrderIntent, ...] | Rejection:
    """The legs that travel with an entry of `side`; a leg whose price is unknown refuses the entry: it is never naked."""
    made: list[OrderIntent] = []
    for role, wish in ((Role.STOP_LOSS, case.entry.stop_loss.value), (Role.TAKE_PROFIT, case.entry.take_profit.value)):
        if wish is None:
            continue
        leg = _leg(case, role, wish, side, quantity, expected)
        if isinstance(leg, Rejection):
            return leg
        made.append(leg)
    return tuple(made)


def _leg(
    case: Case, role: Role, wish: Bracket, side: Side, quantity: Decimal, expected: Decimal | None
) -> OrderIntent | Rejection:
    values: dict[str, Any] = {
        "role": role,
        "instrument": case.snapshot.contract.instrument,
        "side": side.opposite,
        "quantity": quantity,
        "time_in_force": LEGS_LIVE,
        "release": Release.WITH_PARENT,
    }
    if wish.mode in _TRAILS:
        values["trail_amount" if wish.mode == "trailAmount" else "trail_percent"] = wish.value
        return OrderIntent(type=OrderType.TRAILING_STOP, **values)
    price = _price(case, role, wish, side, quantity, expected)
    if isinstance(price, Rejection):
        return price
    if role is Role.TAKE_PROFIT:
        return OrderIntent(type=OrderType.LIMIT, limit_price=price, **values)
    kind = OrderType(wish.type) if wish.type else case.terms.stop_loss_type
    if kind is not OrderType.STOP_LIMIT:
        return OrderIntent(type=OrderType.STOP, stop_price=price, **values)
    limit = on_tick(case, wish.limit or price, side.opposite, "stopLoss.limitPrice", "limit")
    if isinstance(limit, Rejection):
        return limit
    return OrderIntent(type=kind, stop_price=price, limit_price=limit, **values)


def _price(
    case: Case, role: Role, wish: Bracket, side: Side, quantity: Decimal, expected: Decimal | None
) -> Decimal | Rejection:
    """The leg's price: absolute, or so far from the entry, on the side it has to be on."""
    field = "takeProfit" if role is Role.TAKE_PROFIT else "stopLoss"
    away = side.sign if role is Role.TAKE_PROFIT else -side.sign
    if wish.mode in {"limitPrice", "stopPrice"}:
        wanted = wish.value
    elif expected is None:
        reason = f"The {field} is a distance, and no entry price says from where. Send `price` in the signal."
        return Rejection(rule="P03", code="price-required", reason=reason)
    elif wish.mode == "percent":
        wanted = expected * (1 + away * wish.value / HUNDRED)
    elif wish.mode == "pnlAmount":
        wanted = expected + away * wish.value / (quantity * case.snapshot.contract.multiplier)
    else:
        wanted = expected + away * wish.value
    price = on_tick(case, wanted, side.opposite, field, "bracket")
    if isinstance(price, Rejection) or expected is None or (price - expected) * away > 0:
        return price
    reason = (
        f"The {field} at {plain(price)} is on the wrong side of an entry at {plain(expected)}, so it would fill at once. "
        "Check its value."
    )
    return Rejection(rule="P05", code="bracket-on-wrong-side", reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Legs to cancel, legs to shrink where they stand, and what takes the place of those that cannot be shrunk."""

    cancels: tuple[str, ...] = ()
    resizes: tuple[Resize, ...] = ()
    kept: tuple[OrderIntent, ...] = ()


def cut_to(case: Case, remainder: Decimal) -> Cut:
    """The legs of a position that shrinks to `remainder`: never more than is held may wait to leave.

    A leg that rests at the broker is changed in place, so that what remains is not without its stop for a moment.
    """
    groups = list(working.brackets(case).values())
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
        stay = [order for order in group if working.can_be_canceled(order)]
        if rest > 0 and all(_can_be_smaller(order) for order in stay):
            resizes += [
                Resize(reference=order.reference, quantity=rest + order.filled)
                for order in stay
                if order.remaining > rest
            ]
            continue
        cancels += [order.reference for order in group]
        if rest > 0:
            kept += grouped(_again(case, order, min(rest, order.remaining)) for order in stay)
    return Cut(cancels=tuple(cancels), resizes=tuple(resizes), kept=tuple(kept))


def _can_be_smaller(order: WorkingOrder) -> bool:
    return order.status in CHANGED_IN_PLACE and not order.keeps_its_size


def _size(group: Sequence[WorkingOrder]) -> Decimal:
    """How much the legs of one entry would close; nothing when all of them are being canceled."""
    return max((order.remaining for order in group if working.can_be_canceled(order)), default=Decimal(0))


def _again(case: Case, order: WorkingOrder, quantity: Decimal) -> OrderIntent:
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
        outside_rth=order.outside_rth,
    )


def grouped(orders: Iterable[OrderIntent]) -> list[OrderIntent]:
    """Orders that cancel one another, the stop first: should only one of them arrive, it is the one that protects."""
    ordered = sorted(orders, key=lambda each: each.role is not Role.STOP_LOSS)
    if not ordered:
        return []
    head, rest = ordered[0], ordered[1:]
    return [replace(head, then=tuple(replace(each, release=Release.IN_GROUP) for each in rest))]


def stop_beside(case: Case, quantity: Decimal) -> OrderIntent | None:
    """The stop that an exit which may have to wait takes along: whichever of the two fills first cancels the other.

    Of several stops it is the one nearest to the market, over all of the exit. None where the position has none.
    """
    stops = [
        order
        for group in working.brackets(case).values()
        for order in group
        if order.role is Role.STOP_LOSS and working.can_be_canceled(order)
    ]
    if not stops:
        return None
    nearest = max(stops, key=lambda order: (order.stop_price is not None, case.way_out.sign * -(order.stop_price or 0)))
    return replace(_again(case, nearest, quantity), release=Release.IN_GROUP)


def stops_at(case: Case, stop: OrderIntent, quantity: Decimal) -> Cut:
    """`stop` in the place of every stop of the position, over all of it; take profits stay beside their part."""
    cancels: list[str] = []
    kept: list[OrderIntent] = []
    left = quantity
    for group in working.brackets(case).values():
        cancels += [order.reference for order in group]
        profits = [o for o in group if o.role is Role.TAKE_PROFIT and working.can_be_canceled(o)]
        size = min(_size(profits), left) if profits else Decimal(0)
        if size > 0:
            left -= size
            again = [_again(case, order, min(order.remaining, size)) for order in profits]
            kept += grouped([replace(stop, quantity=size), *again])
    if left > 0:
        kept.append(replace(stop, quantity=left))
    return Cut(cancels=tuple(cancels), kept=tuple(kept))
