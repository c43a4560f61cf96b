"""The timeline of a signal as JSON: when each phase was first reached, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from accounts.api.fields import Moment
from brokers.models import Order
from strategies.display import proposals
from strategies.models import Decision, Signal


class PhaseSerializer(serializers.Serializer[Any]):
    """When a phase was first reached; milliseconds since the phase before it, and since the signal was received."""

    at = Moment(allow_null=True)
    ms = serializers.FloatField(allow_null=True)
    total_ms = serializers.FloatField(allow_null=True)


class TimelineSerializer(serializers.Serializer[Any]):
    """The way of the signal, from the first byte to the first order filled whole. Null: not reached."""

    received = PhaseSerializer()
    stored = PhaseSerializer()
    decided = PhaseSerializer()
    approved = PhaseSerializer()
    submitted = PhaseSerializer()
    acknowledged = PhaseSerializer()
    filled = PhaseSerializer()


def orders_of(decision: Decision) -> list[Order]:
    """The orders a decision led to, from rows already loaded."""
    return list(decision.ticket.orders.all()) if decision.ticket else []


def timeline(signal: Signal) -> dict[str, Any]:
    """The first moment of each phase: with several accounts, that of the quickest."""
    decisions = list(signal.decisions.all())
    orders = [order for decision in decisions for order in orders_of(decision)]
    moments = {
        "received": signal.received_at,
        "stored": signal.stored_at,
        "decided": first(proposals.proposed_at(decision) or decision.decided_at for decision in decisions),
        "approved": first(
            decision.answered_at for decision in decisions if decision.status == Decision.Status.ACCEPTED
        ),
        "submitted": first(order.submitted_at for order in orders),
        "acknowledged": first(order.acknowledged_at for order in orders),
        "filled": first(order.filled_at for order in orders),
    }
    before = signal.received_at
    phases: dict[str, Any] = {}
    for name, at in moments.items():
        if at is None:
            phases[name] = {"at": None, "ms": None, "total_ms": None}
            continue
        phases[name] = {"at": text(at), "ms": ms(before, at), "total_ms": ms(signal.received_at, at)}
        before = at
    return phases


def first(moments: Iterable[datetime | None]) -> datetime | None:
    """The earliest moment; None when none has come."""
    return min((moment for moment in moments if moment is not None), default=None)


def ms(earlier: datetime, later: datetime) -> float:
    """Milliseconds between two moments, to the microsecond."""
    return round((later - earlier).total_seconds() * 1000, 3)


def text(moment: datetime) -> str:
    """A moment in the format of the rest of the answer."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
