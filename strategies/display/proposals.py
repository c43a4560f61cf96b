"""Decisions that wait for an approver, and those that were answered: what the inbox lists, and in which words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import QuerySet

from accounts.models import Team
from brokers.domain.orders import OrderIntent, Role
from strategies import inputs
from strategies.display.plans import Tree, tree
from strategies.domain.numbers import plain
from strategies.domain.plan.approval import entry_of
from strategies.models import Decision

RECENT = 20
# What became of a proposal, by the code of its reason; a proposal that ended otherwise is `overtaken`.
_ENDS = {"declined": "declined", "approval-expired": "expired"}


def rows() -> QuerySet[Decision]:
    """Decisions that wait or have waited for an approver, with all that their cards show."""
    return Decision.objects.filter(expires_at__isnull=False).select_related(
        "team", "terms", "signal__strategy", "subscription__account__connection", "answered_by"
    )


def waiting(team: Team) -> list[Decision]:
    """Those that wait, the one with the least time left first."""
    return list(rows().filter(team=team, status=Decision.Status.PROPOSED).order_by("expires_at", "pk"))


def answered(team: Team) -> list[Decision]:
    """The latest that were answered, ran out of time or were overtaken."""
    ended = rows().defer("inputs", "plan").filter(team=team).exclude(status=Decision.Status.PROPOSED)
    return list(ended.order_by("-decided_at", "-pk")[:RECENT])


def verdict(decision: Decision) -> str:
    """What became of a proposal, in one word; nothing for a decision that was none."""
    if decision.expires_at is None:
        return ""
    match decision.status:
        case Decision.Status.PROPOSED:
            return "proposed"
        case Decision.Status.ACCEPTED:
            return "approved"
    return _ENDS.get(decision.reason_code, "overtaken")


def describe_outcome(decision: Decision) -> str:
    """What became of a proposal, in one sentence."""
    who = decision.answered_by.email if decision.answered_by else "a member who has left"
    match verdict(decision):
        case "approved":
            return f"Approved by {who}."
        case "declined":
            return f"Declined by {who}."
        case "expired":
            return "Nobody answered in time. Nothing was ordered."
    return decision.reason


def proposed_at(decision: Decision) -> datetime | None:
    """When an approver was first asked: so long before the end as the terms give, and not before it was handed out."""
    if decision.expires_at is None:
        return None
    begin = decision.expires_at - timedelta(seconds=decision.terms.value().approval_seconds)
    return max(begin, decision.signal.dispatched_at or begin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A proposal as the inbox shows it; `entry` is what may be approved smaller, `leaves` that something is sold as well."""

    verdict: str
    outcome: str = ""
    note: str = ""
    asked_at: datetime | None = None
    # When the plan was made anew, since what was shown first could not be approved any more.
    renewed_at: datetime | None = None
    tree: Tree = field(default_factory=Tree)
    entry: OrderIntent | None = None
    leaves: bool = False

    @property
    def quantity(self) -> str:
        """What the field for a smaller quantity starts with."""
        return plain(self.entry.quantity) if self.entry else ""


def card(decision: Decision, note: str = "") -> Card:
    """The card of a proposal; the plan is read only while it can be approved."""
    word = verdict(decision)
    if word != "proposed":
        return Card(verdict=word, outcome=describe_outcome(decision), note=note)
    assert decision.plan is not None, "a proposal has a plan"
    plan = inputs.plan_from_json(decision.plan)
    snapshot, seen_at = inputs.stored_snapshot(decision.inputs) if decision.inputs else (None, None)
    renewed = seen_at is not None and decision.decided_at is not None and seen_at > decision.decided_at
    return Card(
        verdict=word,
        note=note,
        renewed_at=seen_at if renewed else None,
        asked_at=proposed_at(decision),
        tree=tree(plan, snapshot=snapshot),
        entry=entry_of(plan),
        leaves=any(intent.role is Role.EXIT for intent in plan.intents),
    )
