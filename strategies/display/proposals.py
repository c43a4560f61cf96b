"""Decisions that wait for an approver, and those that were answered: what the inbox lists, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import Team
from brokers.domain.orders import OrderIntent, Role
from brokers.domain.sentences import all_of
from strategies import inputs
from strategies.display.approvers import panels, words
from strategies.display.plans import Tree, tree
from strategies.domain.numbers import plain
from strategies.domain.plan.approval import entry_of
from strategies.domain.plan.approvers import Panel
from strategies.models import Decision

RECENT = 20
# What became of a proposal, by the code of its reason; a proposal that ended otherwise is `overtaken`.
_ENDS = {"declined": "declined", "approval-expired": "expired"}


def rows() -> QuerySet[Decision]:
    """Decisions that wait or have waited for an approver, with all that their cards show."""
    joined = ("team", "terms", "signal__strategy", "subscription__account__connection", "answered_by")
    return Decision.objects.filter(expires_at__isnull=False).select_related(*joined).prefetch_related("approvals")


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
    if verdict(decision) == "approved" and (names := [word.name for word in words(decision)]):
        who = all_of(names)
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
class ShownApproval:
    """An approval of the plan as it is: whose, when, and of how much where that is less than all of it."""

    name: str
    at: datetime
    quantity: Decimal | None
    counts: bool


def approvals_of(decision: Decision, panel: Panel) -> list[ShownApproval]:
    """The approvals so far, the first one first; one of a person who may not approve any more does not count."""
    counting = {word.person for word in panel.counting}
    rows = sorted(decision.approvals.all(), key=lambda approval: approval.pk)
    return [
        ShownApproval(
            name=each.name, at=each.approved_at, quantity=each.quantity, counts=each.approved_by_id in counting
        )
        for each in rows
        if each.voided_at is None
    ]


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
    # Who has approved, the least quantity of theirs, what is missing, and the code where nobody can supply it.
    approvals: list[ShownApproval] = field(default_factory=list)
    least: Decimal | None = None
    missing: int = 1
    shortage: str = ""
    shortage_code: str = ""

    @property
    def quantity(self) -> str:
        """What the field for a smaller quantity starts with."""
        if self.entry is None:
            return ""
        return plain(self.entry.quantity if self.least is None else self.least)


def cards(decisions: Sequence[Decision]) -> list[Card]:
    """The card of each proposal."""
    of_decision = panels(decisions)
    return [card(decision, panel=of_decision.get(decision.pk)) for decision in decisions]


def card(decision: Decision, note: str = "", panel: Panel | None = None) -> Card:
    """The card of a proposal; the plan is read only while it can be approved."""
    word = verdict(decision)
    if word != "proposed":
        return Card(verdict=word, outcome=describe_outcome(decision), note=note)
    assert decision.plan is not None, "a proposal has a plan"
    plan = inputs.plan_from_json(decision.plan)
    panel = panel or panels([decision])[decision.pk]
    shortage = panel.shortage()
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
        approvals=approvals_of(decision, panel),
        least=panel.quantity,
        missing=panel.missing,
        shortage=panel.what_is_missing(),
        shortage_code=shortage.code if shortage else "",
    )
