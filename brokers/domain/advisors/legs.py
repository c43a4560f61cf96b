"""Stops and targets of a group's entry: kept with it, and sent in each account for what that account got. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.domain.contracts.from_fill import Fill, Leg, prices
from brokers.domain.contracts.from_fill import in_words as distance
from brokers.domain.orders import (
    Contract,
    Distance,
    DistanceIn,
    Instrument,
    OrderIntent,
    OrderType,
    Release,
    Role,
    Side,
    TimeInForce,
)
from brokers.domain.sentences import grouped

ZERO = Decimal(0)
_PRICES = ("limit_price", "stop_price", "trail_amount", "trail_percent")


def to_json(legs: Sequence[OrderIntent]) -> list[dict[str, Any]]:
    """Legs in plain JSON values, decimals as text; their sizes are those of the accounts, and left out."""
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
        }
        for leg in legs
    ]


def from_json(rows: Sequence[Mapping[str, Any]], instrument: Instrument, quantity: Decimal) -> tuple[OrderIntent, ...]:
    """The inverse of `to_json`: legs of so many units, each in every account of the group."""
    return tuple(_leg(row, instrument, quantity) for row in rows)


def _leg(row: Mapping[str, Any], instrument: Instrument, quantity: Decimal) -> OrderIntent:
    def price(name: str) -> Decimal | None:
        return None if row[name] is None else Decimal(row[name])

    value = price("distance")
    return OrderIntent(
        role=Role(row["role"]),
        instrument=instrument,
        side=Side(row["side"]),
        type=OrderType(row["type"]),
        quantity=quantity,
        time_in_force=TimeInForce(row["time_in_force"]),
        outside_rth=row["outside_rth"],
        release=Release.BY_ACCOUNT,
        from_fill=None if value is None else Distance(value=value, counts=DistanceIn(row["distance_in"])),
        limit_price=price("limit_price"),
        stop_price=price("stop_price"),
        trail_amount=price("trail_amount"),
        trail_percent=price("trail_percent"),
    )


def in_one_group(legs: Sequence[OrderIntent], fill: Fill, contract: Contract | None) -> OrderIntent:
    """The legs of one account as one group, in which a fill cancels the rest; the stop goes first, so that it arrives if only
    one does. A leg at a distance stands from the `fill`, and where it was planned if no price there protects."""
    priced = [replace(_from_fill(leg, fill, contract), release=Release.AT_ONCE, from_fill=None) for leg in legs]
    head, *rest = sorted(priced, key=lambda leg: leg.role is not Role.STOP_LOSS)
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
    wanted = prices(value, fill, contract)
    if wanted is None:
        return leg
    return replace(
        leg,
        stop_price=wanted.get("stop_price", leg.stop_price),
        limit_price=wanted.get("limit_price", leg.limit_price),
    )


def beyond(fills: Sequence[tuple[Decimal, datetime]], placed: Decimal) -> tuple[Decimal, datetime | None]:
    """How many units of an account's fills, oldest first, have no legs yet, and when the first of them filled."""
    left = placed
    for number, (units, at) in enumerate(fills):
        if units > left:
            return units - left + sum((each for each, _ in fills[number + 1 :]), ZERO), at
        left -= units
    return ZERO, None


def in_words(leg: OrderIntent) -> str:
    """ "a stop at 95", "a target at 120", "a stop that trails by 2%"."""
    what = "a target" if leg.role is Role.TAKE_PROFIT else "a stop"
    if leg.trail_percent is not None:
        return f"{what} that trails by {grouped(leg.trail_percent)}%"
    if leg.trail_amount is not None:
        return f"{what} that trails by {grouped(leg.trail_amount)}"
    price = leg.limit_price if leg.role is Role.TAKE_PROFIT else leg.stop_price
    place = f" at {grouped(price)}" if price is not None else ""
    counted = f", counted again when it fills: {distance(leg.from_fill, leg.role, leg.side)}" if leg.from_fill else ""
    return f"{what}{place}{counted}"
