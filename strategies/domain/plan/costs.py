"""Puts the orders of a plan before the rulebook: what each is expected to cost, or why it is not sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from brokers.domain.orders import OrderIntent, Release, Role
from brokers.domain.snapshot import Snapshot
from strategies.domain.plan.assessment import assess
from strategies.domain.plan.estimate import Estimate
from strategies.domain.plan.ladders.ladder import split
from strategies.domain.plan.plan import Plan, Rejection


class _Bill:
    """Estimates of one plan, parents before their children, and the sentences about entries: left out, or IBKR decides."""

    def __init__(self, snapshot: Snapshot, now: datetime, signal_price: Decimal | None) -> None:
        self.snapshot, self.now, self.signal_price = snapshot, now, signal_price
        self.estimates: list[Estimate] = []
        self.left_out = ""
        self.margin_note = ""

    def add(self, intent: OrderIntent, snapshot: Snapshot) -> OrderIntent | Rejection:
        estimate = assess(intent, snapshot, self.now, signal_price=self.signal_price)
        if not isinstance(estimate, Rejection):
            estimate = self._of_parts(intent, snapshot, estimate)
        if isinstance(estimate, Rejection):
            return estimate
        self.estimates.append(estimate)
        if estimate.margin_note:
            self.margin_note = f" {estimate.margin_note}"
        children: list[OrderIntent] = []
        for child in intent.then:
            after = snapshot
            if child.release is Release.AFTER_PARENT_FILLS and intent.role is Role.EXIT:
                # By the time a waiting entry leaves, the exit has filled and the position is gone.
                after = replace(snapshot, position=Decimal(0))
            answer = self.add(child, after)
            if not isinstance(answer, Rejection):
                children.append(answer)
            elif intent.role is Role.EXIT and child.release is Release.AFTER_PARENT_FILLS:
                # A refused entry does not refuse the exit before it.
                self.left_out = left_out(answer)
            else:
                return answer
        return replace(intent, estimated_fee=estimate.own_fee, then=tuple(children))

    def _of_parts(self, intent: OrderIntent, snapshot: Snapshot, whole: Estimate) -> Estimate | Rejection:
        """The estimate of an entry that leaves in parts: each has to be an order that IBKR takes, and has a fee of its own."""
        parts = split(intent) if intent.role is Role.ENTRY else ()
        if len(parts) < 2:
            return whole
        fees: list[Decimal | None] = []
        own_fees: list[Decimal | None] = []
        for part in parts:
            estimate = assess(part, snapshot, self.now, signal_price=self.signal_price)
            if isinstance(estimate, Rejection):
                return estimate
            fees.append(estimate.fee)
            own_fees.append(estimate.own_fee)
        return replace(whole, fee=_total(fees), own_fee=_total(own_fees))


def _total(fees: Sequence[Decimal | None]) -> Decimal | None:
    known = [fee for fee in fees if fee is not None]
    return sum(known, Decimal(0)) if len(known) == len(fees) else None


def affordable(plan: Plan, snapshot: Snapshot, now: datetime, signal_price: Decimal | None) -> Plan | Rejection:
    """The plan with its estimates, or the refusal of one of its orders (R01 to R05).

    An entry that waits for an exit is left out instead: its refusal never holds the exit back.
    """
    bill = _Bill(snapshot, now, signal_price)
    intents: list[OrderIntent] = []
    for intent in plan.intents:
        answer = bill.add(intent, snapshot)
        if isinstance(answer, Rejection):
            return answer
        intents.append(answer)
    return replace(
        plan,
        intents=tuple(intents),
        estimates=tuple(bill.estimates),
        reason=f"{plan.reason}{bill.left_out}{bill.margin_note}",
    )


def left_out(rejection: Rejection) -> str:
    """The sentence that explains, after the one about the exit, why no entry follows."""
    return f" No entry follows: {rejection.reason}"
