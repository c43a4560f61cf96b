"""The two answers a decision can give: a plan or a rejection."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.orders import Modification, OrderIntent, Resize
from strategies.domain.plan.estimate import Estimate
from strategies.domain.terms.terms import Sides, Terms

__all__ = ["Plan", "Rejection", "Share", "Sides", "Terms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one account of an advisor's group is expected to get of an entry; `unpaid`: what IBKR cancels of it, for the
    account cannot pay for that."""

    account_id: str
    quantity: Decimal
    unpaid: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Cancel, shrink and modify orders first, then work the intents. `rule` is the row of the trading rules that decided.

    `cancels` are references of working orders; `estimates` stand in the order of the intents, parents before children.
    """

    rule: str
    reason: str
    intents: tuple[OrderIntent, ...]
    cancels: tuple[str, ...] = ()
    resizes: tuple[Resize, ...] = ()
    modifications: tuple[Modification, ...] = ()
    time_to_live_seconds: int = 60
    estimates: tuple[Estimate, ...] = ()
    # Of an entry for a group: who gets how many.
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why nothing is ordered: the row of the trading rules, a stable code, and one sentence for people."""

    rule: str
    code: str
    reason: str
    estimates: tuple[Estimate, ...] = ()
