"""The two answers a decision can give: a plan or a rejection."""

from __future__ import annotations

from dataclasses import dataclass

from brokers.domain.orders import OrderIntent, Resize
from strategies.domain.plan.estimate import Estimate
from strategies.domain.terms.terms import Sides, Terms

__all__ = ["Plan", "Rejection", "Sides", "Terms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Cancel and shrink orders first, then work the intents. `rule` is the row of the trading rules that decided.

    `cancels` are references of working orders; `estimates` stand in the order of the intents, parents before children.
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
    """Why nothing is ordered: the row of the trading rules, a stable code, and one sentence for people."""

    rule: str
    code: str
    reason: str
    estimates: tuple[Estimate, ...] = ()
