"""Terms (a subscription's rules as a value), and the two answers a decision can give: a plan or a rejection."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokers.domain.orders import OrderIntent, OrderType, TimeInForce
from strategies.domain.estimate import Estimate


class Sides(StrEnum):
    BOTH = "both"
    BULLISH = "bullish"
    BEARISH = "bearish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The settings one subscription trades by. Seconds where it says seconds; `quantity` in shares or contracts.

    `quantity` None means that the signal must bring one: there is no hidden quantity of 1.
    """

    sides: Sides = Sides.BOTH
    quantity: Decimal | None = None
    allow_add: bool = False
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    outside_rth: bool = False
    entry_time_to_live_seconds: int = 60
    exit_time_to_live_seconds: int = 600
    max_quantity: Decimal | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, decimals as text."""
        return {
            name: str(value) if isinstance(value, (Decimal, StrEnum)) else value for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Terms:
        """The inverse of `to_json`; a setting this version does not know is an error, not a guess."""
        known = dict(values)
        for name in ("quantity", "max_quantity"):
            if known.get(name) is not None:
                known[name] = Decimal(known[name])
        for name, enum in (("sides", Sides), ("order_type", OrderType), ("time_in_force", TimeInForce)):
            if name in known:
                known[name] = enum(known[name])
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do: cancel these references, then work these orders. `rule` is the row of the decision table.

    `estimates` are what the orders are expected to cost, parents before their children.
    """

    rule: str
    reason: str
    intents: tuple[OrderIntent, ...]
    cancels: tuple[str, ...] = ()
    time_to_live_seconds: int = 60
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why nothing is done: a stable code and one sentence."""

    rule: str
    code: str
    reason: str
    estimates: tuple[Estimate, ...] = ()
