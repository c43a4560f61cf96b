"""A plan put before the rulebook: each order with what it is expected to cost, or why it is not sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from brokers.domain.orders import OrderIntent, Release, Role
from brokers.domain.snapshot import Snapshot
from strategies.domain.plan.assessment import assess
from strategies.domain.plan.estimate import Estimate
from strategies.domain.plan.plan import Plan, Rejection


class _Bill:
    """The estimates of one plan, and the sentence about what had to be left out."""

    def __init__(self, snapshot: Snapshot, now: datetime, signal_price: Decimal | None) -> None:
        self.snapshot, self.now, self.signal_price = snapshot, now, signal_price
        self.estimates: list[Estimate] = []
        self.left_out = ""

    def costed(self, intent: OrderIntent, snapshot: Snapshot) -> OrderIntent | Rejection:
        found = assess(intent, snapshot, self.now, signal_price=self.signal_price)
        if isinstance(found, Rejection):
            return found
        self.estimates.append(found)
        children: list[OrderIntent] = []
        for child in intent.then:
            after = snapshot
            if child.release is Release.AFTER_PARENT_FILLS and intent.role is Role.EXIT:
                # What waits for a way out to fill is looked at as if the position were gone.
                after = replace(snapshot, position=Decimal(0))
            answer = self.costed(child, after)
            if not isinstance(answer, Rejection):
                children.append(answer)
            elif intent.role is Role.EXIT and child.release is Release.AFTER_PARENT_FILLS:
                # The way out is not refused for what was to come after it.
                self.left_out = left_out(answer)
            else:
                return answer
        return replace(intent, estimated_fee=found.own_fee, then=tuple(children))


def affordable(plan: Plan, snapshot: Snapshot, now: datetime, signal_price: Decimal | None) -> Plan | Rejection:
    """The plan with its estimates, unless the rulebook refuses one of its orders."""
    bill = _Bill(snapshot, now, signal_price)
    intents: list[OrderIntent] = []
    for intent in plan.intents:
        answer = bill.costed(intent, snapshot)
        if isinstance(answer, Rejection):
            return answer
        intents.append(answer)
    return replace(
        plan, intents=tuple(intents), estimates=tuple(bill.estimates), reason=f"{plan.reason}{bill.left_out}"
    )


def left_out(rejection: Rejection) -> str:
    """Why the second half of a plan is missing, behind the sentence about the first."""
    return f" No entry follows: {rejection.reason}"
