"""Who approves a proposal: the team's policy, its members, who set the subscription up, and the approvals so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Q

from accounts.models import RANK, ApprovalPolicy, Membership, Role
from strategies import inputs
from strategies.domain.plan.approval import entry_of
from strategies.domain.plan.approvers import Panel, Policy, Word
from strategies.models import Decision, Subscription, TermsVersion

MAY_APPROVE = [role.value for role, rank in RANK.items() if rank >= RANK[Role.APPROVER]]
People = dict[int, str]


def panels(decisions: Iterable[Decision]) -> dict[int, Panel]:
    """The panel of each proposed decision by its key, with a handful of queries for all of them.

    Who set a subscription up is read only where its team asks.
    """
    rows = [decision for decision in decisions if decision.status == Decision.Status.PROPOSED]
    if not rows:
        return {}
    approvers = _approvers(rows)
    setters = _setters([each for each in rows if each.team.approval_policy == ApprovalPolicy.ANOTHER])
    return {
        decision.pk: Panel(
            policy=Policy(decision.team.approval_policy),
            approvers=approvers[decision.team_id],
            setters=setters.get(decision.pk, {}),
            words=words(decision),
            reduces=_reduces(decision),
        )
        for decision in rows
    }


def words(decision: Decision) -> tuple[Word, ...]:
    """The approvals of the plan as it is, the first one first."""
    approvals = sorted(decision.approvals.all(), key=lambda approval: approval.pk)
    return tuple(
        Word(person=each.approved_by_id, name=each.name, quantity=each.quantity)
        for each in approvals
        if each.voided_at is None
    )


def _approvers(decisions: list[Decision]) -> dict[int, People]:
    """Who may approve now, by team."""
    teams = {decision.team_id for decision in decisions}
    rows = Membership.objects.filter(team__in=teams, role__in=MAY_APPROVE, user__is_active=True)
    approvers: dict[int, People] = defaultdict(dict)
    for team_pk, user_pk, email in rows.values_list("team_id", "user_id", "user__email"):
        approvers[team_pk][user_pk] = email
    return approvers


def _setters(decisions: list[Decision]) -> dict[int, People]:
    """Who made the subscription, wrote its terms of now or those of the plan, switched it on, or linked it."""
    if not decisions:
        return {}
    subscriptions = {decision.subscription_id for decision in decisions}
    of_subscription: dict[int, People] = defaultdict(dict)
    of_terms: dict[int, People] = defaultdict(dict)
    first_or_used = Q(number=1) | Q(pk__in={decision.terms_id for decision in decisions})
    versions = TermsVersion.objects.filter(first_or_used, subscription__in=subscriptions, set_by__isnull=False)
    for key, number, subscription, user_pk, email in versions.values_list(
        "pk", "number", "subscription_id", "set_by_id", "set_by__email"
    ):
        assert user_pk is not None, "the query leaves them out"
        of_terms[key][user_pk] = email
        if number == 1:
            of_subscription[subscription][user_pk] = email
    columns = [name for path in ("enabled_by", "linked_by", "terms__set_by") for name in (path, f"{path}__email")]
    for subscription, *people in Subscription.objects.filter(pk__in=subscriptions).values_list("pk", *columns):
        of_subscription[subscription] |= {
            key: email for key, email in zip(people[::2], people[1::2], strict=True) if key is not None
        }
    return {
        decision.pk: of_subscription[decision.subscription_id] | of_terms[decision.terms_id] for decision in decisions
    }


def _reduces(decision: Decision) -> bool:
    """Whether the plan opens nothing."""
    assert decision.plan is not None, "a proposal has a plan"
    return entry_of(inputs.plan_from_json(decision.plan)) is None
