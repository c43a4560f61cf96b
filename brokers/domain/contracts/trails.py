"""Where a trailing stop limit stands at IBKR at the least, by a price that the market has had since it began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from brokers.domain.orders import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """A trailing stop limit: its prices as we know them, and how far it trails, by an amount or in percent of the market."""

    side: Side
    stop: Decimal
    limit: Decimal
    amount: Decimal | None = None
    percent: Decimal | None = None


def tightened(trail: Trail, market: Decimal, tick_at: Callable[[Decimal], Decimal]) -> tuple[Decimal, Decimal] | None:
    """The stop and the limit to which the market has taken it, on the contract's ticks; None where we know it that tight.

    A trail moves one way only, so any price since it began says how loose it can be at the most.
    """
    distance = trail.amount if trail.amount is not None else market * (trail.percent or Decimal(0)) / 100
    sign = trail.side.sign
    if distance <= 0 or market <= 0:
        return None
    # Rounded away from the market: never tighter than it is.
    rounding = ROUND_FLOOR if sign < 0 else ROUND_CEILING
    exact = market + sign * distance
    if exact <= 0:
        return None
    tick = tick_at(exact)
    stop = (exact / tick).to_integral_value(rounding) * tick
    limit = stop + (trail.limit - trail.stop)
    if (stop - trail.stop) * sign >= 0 or limit <= 0:
        return None
    return stop, limit
