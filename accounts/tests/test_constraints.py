"""What Postgres refuses about people and teams."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest

from accounts import audit
from accounts.models import AuditChain, AuditEntry, Departure, Invitation, Membership, ScheduledTask, Team, User
from accounts.tests.refusals import named_constraints, refused_by


class Scene(NamedTuple):
    team: Team
    alice: User
    charlie: User
    now: datetime


@pytest.fixture
def scene(team: Team, alice: User, charlie: User, now: datetime) -> Scene:
    return Scene(team, alice, charlie, now)


def invitation(at: Scene, role: str) -> None:
    later = at.now + timedelta(days=1)
    Invitation.objects.create(team=at.team, token_hash="0" * 64, role=role, invited_by=at.alice, expires_at=later)


def departure(at: Scene, *, how: str = "removed", before: str = "trader", after: str = "") -> None:
    Departure.objects.create(
        team=at.team, user=at.charlie, email=at.charlie.email, how=how, role_before=before, role_after=after, at=at.now
    )


def fork_of_the_audit_chain(at: Scene) -> None:
    audit.record(team=at.team, actor=at.alice, action="one", subject="", now=at.now)
    last = AuditEntry.objects.filter(team=at.team).latest("id")
    last.pk, last.action, last.hash = None, "another", "1" * 64
    last.save(force_insert=True)


BAD: dict[str, Callable[[Scene], object]] = {
    "one_user_per_email_in_any_letter_case": lambda at: User.objects.create(email="Alice@Example.com"),
    "deleted_person_never_signs_in": lambda at: User.objects.filter(pk=at.alice.pk).update(deleted_at=at.now),
    "one_membership_per_team_and_user": lambda at: Membership.objects.create(
        team=at.team, user=at.alice, role="viewer"
    ),
    "membership_role_is_known": lambda at: Membership.objects.create(team=at.team, user=at.charlie, role="king"),
    "invitation_role_is_known": lambda at: invitation(at, "king"),
    "team_second_factor_from_is_known": lambda at: Team.objects.filter(pk=at.team.pk).update(second_factor_from="king"),
    # An owner alone may not be the least who stops: a stop must never wait for one.
    "team_stops_from_is_known": lambda at: Team.objects.filter(pk=at.team.pk).update(stops_from="owner"),
    "emptied_team_is_closed": lambda at: Team.objects.filter(pk=at.team.pk).update(emptied_at=at.now),
    "departure_how_is_known": lambda at: departure(at, how="vanished"),
    "departure_role_before_is_known": lambda at: departure(at, before="king"),
    "departure_role_after_is_known": lambda at: departure(at, after="king"),
    "team_approval_policy_is_known": lambda at: Team.objects.filter(pk=at.team.pk).update(approval_policy="three"),
    "scheduled_period_is_positive": lambda at: ScheduledTask.objects.create(
        name="never", period_seconds=0, last_at=at.now
    ),
    "audit_chain_never_forks": fork_of_the_audit_chain,
    "audit_chain_kind_is_known": lambda at: AuditChain.objects.create(kind="king", name=""),
    "audit_chain_removes_only_what_was": lambda at: AuditChain.objects.create(kind="person", name="", removed_number=1),
}


@pytest.mark.parametrize("name", BAD)
def test_postgres_refuses(scene: Scene, name: str) -> None:
    with refused_by(name):
        BAD[name](scene)


def test_every_named_constraint_is_asked_about() -> None:
    assert set(BAD) == named_constraints("accounts")


def test_the_known_roles_are_accepted(scene: Scene) -> None:
    for role in ("owner", "trader", "approver", "viewer"):
        Membership.objects.update_or_create(team=scene.team, user=scene.charlie, defaults={"role": role})
