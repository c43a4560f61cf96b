"""What people do with a team: found it, invite, join, change a role, leave, issue and revoke API tokens."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from accounts import audit, departures
from accounts.models import (
    RANK,
    ApiToken,
    ApprovalPolicy,
    Departure,
    Invitation,
    Leaving,
    Membership,
    Role,
    Scope,
    Team,
    User,
    hashed,
)

INVITATION_LIFE = timedelta(days=7)


class TeamError(Exception):
    """Refused; the message is a sentence for people."""


@transaction.atomic
def found_team(*, owner: User, name: str, now: datetime) -> Team:
    """Make a team with its owner in it."""
    team = Team.objects.create(name=name, created_at=now)
    Membership.objects.create(team=team, user=owner, role=Role.OWNER, joined_at=now)
    audit.record(team=team, actor=owner, action="team.founded", subject=name, now=now)
    return team


@transaction.atomic
def invite(*, team: Team, actor: User, role: Role, note: str, now: datetime) -> str:
    """Make an invitation and return its token, which is shown once and stored only as a digest."""
    token = secrets.token_urlsafe(24)
    Invitation.objects.create(
        team=team,
        token_hash=hashed(token),
        role=role,
        note=note,
        invited_by=actor,
        created_at=now,
        expires_at=now + INVITATION_LIFE,
    )
    audit.record(team=team, actor=actor, action="team.invited", subject=note or role, after={"role": role}, now=now)
    return token


def find_invitation(token: str, now: datetime) -> Invitation | None:
    """The open invitation of this token; None when it was used, was withdrawn or has expired."""
    rows = departures.open_invitations(now).select_related("team", "invited_by")
    return rows.filter(token_hash=hashed(token)).first()


@transaction.atomic
def join(*, token: str, user: User, now: datetime) -> Team:
    """Accept an invitation. Someone who is already in keeps the role they have."""
    invitation = find_invitation(token, now)
    if invitation is None:
        raise TeamError("This invitation was already used or has expired. Ask the person who sent it for a new link.")
    # Asked again as it is taken: it may have been used or withdrawn since it was found, or its maker have departed.
    open_still = departures.open_invitations(now).filter(pk=invitation.pk)
    if not open_still.update(accepted_at=now, accepted_by=user):
        raise TeamError(
            "This invitation was used or withdrawn a moment ago. Ask the person who sent it for a new link."
        )
    _, created = Membership.objects.get_or_create(
        team=invitation.team, user=user, defaults={"role": invitation.role, "joined_at": now}
    )
    if created:
        audit.record(
            team=invitation.team,
            actor=user,
            action="team.joined",
            subject=user.email,
            after={"role": invitation.role},
            now=now,
        )
    return invitation.team


@transaction.atomic
def change_role(*, membership: Membership, role: Role, actor: User, now: datetime) -> Departure | None:
    """Give a member another role. A team always keeps an owner.

    A lesser role ends the links and tokens that the greater one made; the departure is returned where secrets were seen.
    """
    _keep_an_owner(membership, becomes=role)
    before, departure = membership.role, None
    if departures.loses_rank(before, role):
        how = Leaving.DEMOTED
        departure = departures.depart(membership=membership, how=how, role_after=role, actor=actor, now=now)
    membership.role = role
    membership.save(update_fields=["role"])
    audit.record(
        team=membership.team,
        actor=actor,
        action="team.role_changed",
        subject=membership.user.email,
        before={"role": before},
        after={"role": role},
        now=now,
    )
    return departure


@transaction.atomic
def remove(*, membership: Membership, actor: User, now: datetime) -> Departure | None:
    """Take a member out (or leave): invitations they made, their tokens and their open pages end with it."""
    _keep_an_owner(membership, becomes=None)
    team, user = membership.team, membership.user
    how = Leaving.LEFT if actor.pk == user.pk else Leaving.REMOVED
    departure = departures.depart(membership=membership, how=how, actor=actor, now=now)
    membership.delete()
    audit.record(team=team, actor=actor, action="team.left", subject=user.email, now=now)
    return departure


def _keep_an_owner(membership: Membership, becomes: Role | None) -> None:
    if membership.team.closed_at is not None:
        return
    # The lock makes two owners leaving at once see each other.
    owners = Membership.objects.select_for_update(of=("self",)).filter(
        team=membership.team, role=Role.OWNER, user__is_active=True
    )
    other_owners = [owner for owner in owners if owner.pk != membership.pk]
    if membership.role == Role.OWNER and becomes != Role.OWNER and not other_owners:
        raise TeamError("This is the team's only owner. Make somebody else an owner first.")


@transaction.atomic
def issue_token(
    *, team: Team, user: User, name: str, now: datetime, secret: str | None = None, scopes: Iterable[str] = ()
) -> str:
    """Issue an API token that may read, and do what `scopes` say. Returns its secret, which is stored only as a digest."""
    value = secret or ApiToken.new_secret()
    granted = [str(scope) for scope in Scope if scope == Scope.READ or scope in set(scopes)]
    ApiToken.objects.create(
        team=team, user=user, name=name, prefix=value[:8], token_hash=hashed(value), scopes=granted, created_at=now
    )
    audit.record(team=team, actor=user, action="token.issued", subject=name, after={"scopes": granted}, now=now)
    return value


@transaction.atomic
def set_safety(
    *,
    team: Team,
    second_factor_from: str,
    stops_from: Role,
    approval_policy: ApprovalPolicy,
    actor: User,
    now: datetime,
) -> None:
    """Set who needs a second factor ("" for nobody) and who may stop trading, by least role, and whose approval counts."""
    # The lock before the look: two owners may save at once, and an approval may be under way.
    audit.hold(team)
    locked = Team.objects.get(pk=team.pk)
    before = {
        "second_factor_from": locked.second_factor_from,
        "stops_from": locked.stops_from,
        "approval_policy": locked.approval_policy,
    }
    after = {
        "second_factor_from": second_factor_from,
        "stops_from": str(stops_from),
        "approval_policy": str(approval_policy),
    }
    if before == after:
        return
    Team.objects.filter(pk=team.pk).update(**after)
    audit.record(team=team, actor=actor, action="team.safety", subject=team.name, before=before, after=after, now=now)


def count_approvers(team: Team) -> int:
    """How many members may approve plans."""
    may = [role for role, rank in RANK.items() if rank >= RANK[Role.APPROVER]]
    return Membership.objects.filter(team=team, role__in=may, user__is_active=True).count()


def shortage_of_approvers(team: Team, approval_policy: str) -> str:
    """Why the team cannot do what it asks for; empty where it can."""
    if approval_policy == ApprovalPolicy.ANYBODY or count_approvers(team) > 1:
        return ""
    return (
        "Fewer than two members may approve, so a plan that opens a position can only be declined. "
        "Make somebody else an approver, or ask for less; what only reduces a position takes one approval meanwhile."
    )


@transaction.atomic
def mail_about_approvals(*, membership: Membership, mailed: bool) -> None:
    """Set whether this member gets an e-mail when a plan waits for approval."""
    Membership.objects.filter(pk=membership.pk).update(mail_approvals=mailed)
