"""Which orders of a plan IBKR can be asked to preview. Pure."""

from __future__ import annotations

from brokers.domain.orders import OrderIntent, Release, Role
from strategies.domain.plan.approval import every_order
from strategies.domain.plan.plan import Plan


def previewed(plan: Plan) -> list[tuple[int, OrderIntent]]:
    """The orders that leave by themselves, and entries, each with its place among the plan's estimates.

    What protects an entry has no margin and no fee of its own until it fills.
    """
    return [
        (position, intent)
        for position, intent in enumerate(every_order(plan.intents))
        if intent.release is Release.AT_ONCE or intent.role is Role.ENTRY
    ]
