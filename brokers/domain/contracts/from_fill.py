"""Stops and targets that stand at a distance from their entry: where, once it is known at what price that has filled. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.contracts.ticks import on_tick
from brokers.domain.orders import Contract, Distance, DistanceIn, OrderType, Role, Side
from brokers.domain.sentences import grouped

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A stop or a target as it works: `side` is its own, prices are in the contract's currency."""

    role: Role
    side: Side
    type: OrderType
    distance: Distance
    stop_price: Decimal | None = None
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """How much of the entry has filled, in units above zero, and at which average price."""

    quantity: Decimal
    average: Decimal


def exact(distance: Distance, role: Role, side: Side, fill: Fill, multiplier: Decimal) -> Decimal:
    """The price at this distance from the entry's, before it comes to a tick: a target on the side of a profit, a stop on that
    of a loss. `side` is the leg's."""
    away = side.opposite.sign if role is Role.TAKE_PROFIT else side.sign
    if distance.counts is DistanceIn.PERCENT:
        return fill.average * (1 + away * distance.value / _HUNDRED)
    if distance.counts is DistanceIn.PNL:
        return fill.average + away * distance.value / (fill.quantity * multiplier)
    return fill.average + away * distance.value


def prices(leg: Leg, fill: Fill, contract: Contract) -> Mapping[str, Decimal] | None:
    """The leg's prices by the columns of an order, on the contract's ticks: a sell rounded up, a buy down, as decisions do.

    None where no such price protects: at or below zero, or not on the leg's side of the fill. The limit of a stop limit goes
    along, at its distance from the stop. A leg that trails has no price that stands, and gets none.
    """
    away = leg.side.opposite.sign if leg.role is Role.TAKE_PROFIT else leg.side.sign
    price = on_tick(contract, exact(leg.distance, leg.role, leg.side, fill, contract.multiplier), leg.side)
    if price <= 0 or (price - fill.average) * away <= 0:
        return None
    match leg.type:
        case OrderType.LIMIT:
            return {"limit_price": price}
        case OrderType.STOP:
            return {"stop_price": price}
        case OrderType.STOP_LIMIT if leg.stop_price is not None and leg.limit_price is not None:
            limit = on_tick(contract, leg.limit_price + price - leg.stop_price, leg.side)
            return {"stop_price": price, "limit_price": limit} if limit > 0 else None
    return {}


def is_past(leg: Leg, wanted: Mapping[str, Decimal], market: Decimal) -> bool:
    """Whether the market is at or beyond such a price already, so that the leg would fill at once."""
    return would_fill(leg.role, leg.side, wanted, market)


def would_fill(role: Role, side: Side, wanted: Mapping[str, Decimal], market: Decimal) -> bool:
    """Whether the market would fill a leg of this role and side at once at these prices."""
    if role is Role.TAKE_PROFIT:
        limit = wanted.get("limit_price")
        return limit is not None and (limit - market) * side.sign >= 0
    stop = wanted.get("stop_price")
    return stop is not None and (stop - market) * side.sign <= 0


def in_words(distance: Distance, role: Role, side: Side) -> str:
    """The distance as it is read: "2 % below the fill"."""
    away = side.opposite.sign if role is Role.TAKE_PROFIT else side.sign
    where = "above" if away > 0 else "below"
    match distance.counts:
        case DistanceIn.PERCENT:
            return f"{grouped(distance.value)} % {where} the fill"
        case DistanceIn.PNL:
            return f"{grouped(distance.value)} in money {where} the fill"
    return f"{grouped(distance.value)} {where} the fill"
