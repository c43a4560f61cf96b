"""What a decision saw, as a value and as JSON: with it `decide` gives the same answer years later."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from brokers.domain.snapshot import Snapshot, WorkingOrder
from strategies.domain.decide.decide import decide
from strategies.domain.decide.guards import NO_GUARDS, Guards
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Message
from strategies.domain.plan.approval import smaller
from strategies.domain.plan.plan import Plan, Rejection, Terms

WHOLE = 20  # working orders that are stored one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything `decide` is given. `unsettled`: signed fills that the snapshot's position may not contain yet."""

    message: Message
    terms: Terms
    snapshot: Snapshot
    now: datetime
    received_at: datetime | None
    freshness: Freshness | None
    guards: Guards = NO_GUARDS
    unsettled: Decimal = Decimal(0)

    def decide(self) -> Plan | Rejection:
        return decide(
            self.message,
            self.terms,
            self.snapshot,
            self.now,
            received_at=self.received_at,
            freshness=self.freshness,
            guards=self.guards,
        )

    def to_json(self, answer: Plan | Rejection) -> dict[str, Any]:
        """The inputs as plain JSON values, and the expected costs of the orders they led to."""
        return {
            "message": self.message.reading(),
            "terms": self.terms.to_json(),
            "snapshot": msgspec.to_builtins(_short(self.snapshot, answer)),
            "unsettled": str(self.unsettled),
            "now": self.now.isoformat(),
            "assessment": [estimate.to_json() for estimate in answer.estimates],
            "received_at": None if self.received_at is None else self.received_at.isoformat(),
            "freshness": None if self.freshness is None else asdict(self.freshness),
            "guards": None if self.guards is NO_GUARDS else msgspec.to_builtins(self.guards),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Inputs:
        """The inverse of `to_json`. ValueError, TypeError or KeyError where this version cannot read the values."""
        snapshot, now = stored_snapshot(values)
        freshness, guards, received_at = (values.get(name) for name in ("freshness", "guards", "received_at"))
        return cls(
            message=Message.from_reading(values["message"]),
            terms=Terms.from_json(values["terms"]),
            snapshot=snapshot,
            now=now,
            received_at=None if received_at is None else datetime.fromisoformat(received_at),
            freshness=None if freshness is None else Freshness(**freshness),
            guards=NO_GUARDS if guards is None else msgspec.convert(guards, Guards, strict=False),
            unsettled=Decimal(values.get("unsettled") or 0),
        )


def decide_again(values: dict[str, Any]) -> Plan | Rejection:
    """The answer to stored inputs: the decision's own, unless `decide` itself was changed since.

    Raises as `Inputs.from_json` does.
    """
    inputs = Inputs.from_json(values)
    answer = inputs.decide()
    quantity = values.get("approved_quantity")
    if quantity is None or isinstance(answer, Rejection):
        return answer
    return smaller(answer, Decimal(quantity), inputs.snapshot, inputs.now, inputs.message.signal_price)


def stored_snapshot(values: dict[str, Any]) -> tuple[Snapshot, datetime]:
    """The snapshot among stored inputs, and the moment of the decision."""
    return msgspec.convert(values["snapshot"], Snapshot, strict=False), datetime.fromisoformat(values["now"])


def plan_json(plan: Plan) -> dict[str, Any]:
    """A plan as plain JSON values: rule, reason, cancels, and the tree of intents."""
    values: dict[str, Any] = msgspec.to_builtins(plan)
    return values


def plan_from_json(values: dict[str, Any]) -> Plan:
    """The inverse of `plan_json`."""
    return msgspec.convert(values, Plan, strict=False)


def _short(snapshot: Snapshot, answer: Plan | Rejection) -> Snapshot:
    """The snapshot with working orders of one kind merged, unless the plan names single ones: there can be thousands."""
    names_some = isinstance(answer, Plan) and (answer.cancels or answer.resizes or answer.modifications)
    if len(snapshot.working) <= WHOLE or names_some:
        return snapshot
    last: dict[tuple[object, ...], WorkingOrder] = {}
    remaining: dict[tuple[object, ...], Decimal] = defaultdict(Decimal)
    for order in snapshot.working:
        kind = (order.role, order.side, order.type, order.status, order.mine, order.filled > 0)
        last[kind] = order
        remaining[kind] += order.remaining
    return replace(snapshot, working=tuple(replace(order, remaining=remaining[kind]) for kind, order in last.items()))
