"""The two answers a decision can give: a plan or a rejection."""

from __future__ import annotations

from dataclasses import dataclass

from brokers.domain.orders import OrderIntent, Resize
from strategies.domain.plan.estimate import Estimate
from strategies.domain.terms.terms import Sides, Terms

__all__ = ["Plan", "Rejection", "Sides", "Terms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do: cancel and shrink these orders, then work those. `rule` is the row of the decision table.

    `estimates` are what the orders are expected to cost, parents before their children.
    """

    rule: str
    reason: str
    intents: tuple[OrderIntent, ...]
    cancels: tuple[str, ...] = ()
    resizes: tuple[Resize, ...] = ()
    time_to_live_seconds: int = 60
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why nothing is done: a stable code and one sentence."""

    rule: str
    code: str
    reason: str
    estimates: tuple[Estimate, ...] = ()
