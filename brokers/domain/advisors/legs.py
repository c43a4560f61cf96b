"""Stops and targets of a group's entry: kept with it, and sent in each account for what that account got. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from brokers.domain.contracts.from_fill import Fill, Leg, prices
from brokers.domain.contracts.from_fill import in_words as distance
from brokers.domain.contracts.stop_moves import in_words as rule
from brokers.domain.orders import (
    Contract,
    Distance,
    DistanceIn,
    Instrument,
    MoveTo,
    OrderIntent,
    OrderType,
    Release,
    Role,
    Side,
    StopMove,
    TimeInForce,
)
from brokers.domain.sentences import grouped

ZERO = Decimal(0)
_PRICES = ("limit_price", "stop_price", "trail_amount", "trail_percent")


def to_json(legs: Sequence[OrderIntent]) -> list[dict[str, Any]]:
    """Legs in plain JSON values, decimals as text; what their sizes are in an account follows from its fills and their shares."""
    return [
        {
            "role": str(leg.role),
            "side": str(leg.side),
            "type": str(leg.type),
            "time_in_force": str(leg.time_in_force),
            "outside_rth": leg.outside_rth,
            **{name: None if (price := getattr(leg, name)) is None else f"{price:f}" for name in _PRICES},
            "distance": f"{leg.from_fill.value:f}" if leg.from_fill else None,
            "distance_in": str(leg.from_fill.counts) if leg.from_fill else "",
            "quantity": f"{leg.quantity:f}",
            "share": None if leg.share is None else f"{leg.share:f}",
            "moves": None if leg.moves is None else [leg.moves.after, str(leg.moves.to), f"{leg.moves.by:f}"],
        }
        for leg in legs
    ]


def from_json(rows: Sequence[Mapping[str, Any]], instrument: Instrument, quantity: Decimal) -> tuple[OrderIntent, ...]:
    """The inverse of `to_json`. `quantity` is that of legs which were kept before their own was."""
    return tuple(_leg(row, instrument, quantity) for row in rows)


def _leg(row: Mapping[str, Any], instrument: Instrument, quantity: Decimal) -> OrderIntent:
    def price(name: str) -> Decimal | None:
        return None if row[name] is None else Decimal(row[name])

    value, share, moves = price("distance"), row.get("share"), row.get("moves")
    return OrderIntent(
        role=Role(row["role"]),
        instrument=instrument,
        side=Side(row["side"]),
        type=OrderType(row["type"]),
        quantity=Decimal(row.get("quantity") or quantity),
        time_in_force=TimeInForce(row["time_in_force"]),
        outside_rth=row["outside_rth"],
        release=Release.BY_ACCOUNT,
        from_fill=None if value is None else Distance(value=value, counts=DistanceIn(row["distance_in"])),
        moves=None if moves is None else StopMove(after=moves[0], to=MoveTo(moves[1]), by=Decimal(moves[2])),
        share=None if share is None else Decimal(share),
        limit_price=price("limit_price"),
        stop_price=price("stop_price"),
        trail_amount=price("trail_amount"),
        trail_percent=price("trail_percent"),
    )


def shares_of(legs: Sequence[OrderIntent]) -> list[Fraction]:
    """Which part of what an account got each target takes, the nearest first; one without a share takes all of it."""
    return [Fraction(1) if leg.share is None else Fraction(leg.share) for leg in _targets(legs)]


def _targets(legs: Sequence[OrderIntent]) -> list[OrderIntent]:
    return [leg for leg in legs if leg.role is Role.TAKE_PROFIT]


def groups_of(
    legs: Sequence[OrderIntent], parts: Sequence[Decimal], fill: Fill, contract: Contract | None
) -> tuple[OrderIntent, ...]:
    """The legs of one account: for each part of what it got a group of its target and its part of the stop.

    `parts` are those of the targets, and at last what has none (`rungs.beyond`). `fill` is that of the whole entry.
    """
    targets, others = _targets(legs), [leg for leg in legs if leg.role is not Role.TAKE_PROFIT]
    made = []
    for number, (part, target) in enumerate(zip(parts, [*targets, None], strict=True), 1):
        beside = [*others] if target is None else [*others, replace(target, rung=number)]
        if part > 0 and beside:
            made.append(_in_one_group([replace(leg, quantity=part) for leg in beside], fill, contract))
    return tuple(made)


def _in_one_group(legs: Sequence[OrderIntent], fill: Fill, contract: Contract | None) -> OrderIntent:
    """Legs as one group, in which a fill cancels the rest; the stop goes first, so that it arrives if only one does. A leg at a
    distance stands from the `fill`, and where it was planned if no price there protects."""
    priced = [_from_fill(leg, fill, contract) for leg in legs]
    free = [replace(leg, release=Release.AT_ONCE, from_fill=None, share=None) for leg in priced]
    head, *rest = sorted(free, key=lambda leg: leg.role is not Role.STOP_LOSS)
    return replace(head, then=tuple(replace(leg, release=Release.IN_GROUP) for leg in rest))


def _from_fill(leg: OrderIntent, fill: Fill, contract: Contract | None) -> OrderIntent:
    if leg.from_fill is None or contract is None:
        return leg
    value = Leg(
        role=leg.role,
        side=leg.side,
        type=leg.type,
        distance=leg.from_fill,
        stop_price=leg.stop_price,
        limit_price=leg.limit_price,
    )
    # An amount for all units is that of the units which the target closes.
    of_leg = fill if leg.share is None else replace(fill, quantity=fill.quantity * leg.share)
    wanted = prices(value, of_leg, contract)
    if wanted is None:
        return leg
    return replace(
        leg,
        stop_price=wanted.get("stop_price", leg.stop_price),
        limit_price=wanted.get("limit_price", leg.limit_price),
    )


def since(fills: Sequence[tuple[Decimal, datetime]], placed: Decimal) -> datetime | None:
    """When the first of an account's fills, oldest first, was seen of which something has no legs yet; None where all have."""
    left = placed
    for units, at in fills:
        if units > left:
            return at
        left -= units
    return None


def in_words(leg: OrderIntent) -> str:
    """ "a stop at 95", "a target at 120", "a target for 50% at 120", "a stop that trails by 2%"."""
    what = "a target" if leg.role is Role.TAKE_PROFIT else "a stop"
    if leg.share is not None and leg.share < 1:
        what += f" for {grouped(round(100 * leg.share, 2))}%"
    if leg.trail_percent is not None:
        return f"{what} that trails by {grouped(leg.trail_percent)}%"
    if leg.trail_amount is not None:
        return f"{what} that trails by {grouped(leg.trail_amount)}"
    price = leg.limit_price if leg.role is Role.TAKE_PROFIT else leg.stop_price
    place = f" at {grouped(price)}" if price is not None else ""
    counted = f", counted again when it fills: {distance(leg.from_fill, leg.role, leg.side)}" if leg.from_fill else ""
    moved = "" if leg.moves is None or leg.role is not Role.STOP_LOSS else _moved(leg.moves)
    return f"{what}{place}{counted}{moved}"


def _moved(move: StopMove) -> str:
    many = "a target has" if move.after == 1 else f"{move.after} targets have"
    return f" (it {rule(move)} once {many} filled)"
