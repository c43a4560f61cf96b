"""What a decision saw, kept as JSON: with it `decide` answers years later as it did then."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from brokers.book.live_book import View
from brokers.domain.snapshot import Snapshot, WorkingOrder
from strategies.domain.decide.decide import decide
from strategies.domain.decide.guards import NO_GUARDS, Guards
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Message
from strategies.domain.plan.approval import smaller
from strategies.domain.plan.plan import Plan, Rejection, Terms

WHOLE = 20  # working orders that are kept one by one


def kept(
    message: Message,
    terms: Terms,
    view: View,
    now: datetime,
    answer: Plan | Rejection,
    *,
    received_at: datetime,
    freshness: Freshness | None,
    guards: Guards,
) -> dict[str, Any]:
    """Everything `decide` saw, as JSON, and what it expected the orders to cost."""
    return {
        "message": message.reading(),
        "terms": terms.to_json(),
        "snapshot": msgspec.to_builtins(_short(view.snapshot, answer)),
        "unsettled": str(view.unsettled),
        "now": now.isoformat(),
        "assessment": [estimate.to_json() for estimate in answer.estimates],
        "received_at": received_at.isoformat(),
        "freshness": None if freshness is None else asdict(freshness),
        "guards": None if guards is NO_GUARDS else msgspec.to_builtins(guards),
    }


def again(inputs: dict[str, Any]) -> Plan | Rejection:
    """The answer to the same values: the same as then, unless `decide` itself was changed since.

    ValueError where the inputs are older than what this version can read.
    """
    snapshot, now = snapshot_then(inputs)
    message = Message.from_reading(inputs["message"])
    freshness, guards, received_at = (inputs.get(name) for name in ("freshness", "guards", "received_at"))
    answer = decide(
        message,
        Terms.from_json(inputs["terms"]),
        snapshot,
        now,
        received_at=None if received_at is None else datetime.fromisoformat(received_at),
        freshness=None if freshness is None else Freshness(**freshness),
        guards=NO_GUARDS if guards is None else msgspec.convert(guards, Guards, strict=False),
    )
    quantity = inputs.get("approved_quantity")
    if quantity is None or isinstance(answer, Rejection):
        return answer
    return smaller(answer, Decimal(quantity), snapshot, now, message.signal_price)


def snapshot_then(inputs: dict[str, Any]) -> tuple[Snapshot, datetime]:
    """The snapshot a decision saw, and its moment."""
    return msgspec.convert(inputs["snapshot"], Snapshot, strict=False), datetime.fromisoformat(inputs["now"])


def plan_json(plan: Plan) -> dict[str, Any]:
    """A plan as plain JSON values: rule, reason, cancels, and the tree of intents."""
    values: dict[str, Any] = msgspec.to_builtins(plan)
    return values


def plan_from_json(values: dict[str, Any]) -> Plan:
    """The inverse of `plan_json`."""
    return msgspec.convert(values, Plan, strict=False)


def _short(snapshot: Snapshot, answer: Plan | Rejection) -> Snapshot:
    """The snapshot with working orders of one kind as one, unless the plan is about single ones: there can be thousands."""
    if len(snapshot.working) <= WHOLE or (isinstance(answer, Plan) and (answer.cancels or answer.resizes)):
        return snapshot
    kinds: dict[tuple[object, ...], WorkingOrder] = {}
    for order in snapshot.working:
        kind = (order.role, order.side, order.type, order.status, order.mine, order.filled > 0)
        known = kinds.get(kind)
        kinds[kind] = replace(order, remaining=order.remaining + known.remaining) if known else order
    return replace(snapshot, working=tuple(kinds.values()))
