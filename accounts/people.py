"""What a person may take along and leave behind: their export, and the end of their account."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts import audit, departures, teams
from accounts.entrance.sessions import end_sessions
from accounts.models import ApiToken, AuditEntry, Invitation, Membership, Role, Team, User
from accounts.refusals import Refusal

_ADDRESS = re.compile(r"[^\s@<>\"',;:()\[\]]+@[^\s@<>\"',;:()\[\]]+")
# What such entries are about is a note on a person who was invited.
_ABOUT_OTHERS = {"team.invited", "team.invitation_withdrawn"}


class PersonRefused(Refusal):
    """The account cannot be deleted now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hanging:
    """What hangs on an account."""

    memberships: list[Membership]
    # Of these the person is the only owner: somebody else has to become one, or the team be closed.
    last_owner_of: list[Team]
    tokens: list[ApiToken]
    invitations: int
    sessions: int
    only_operator: bool


def hanging_on(user: User, now: datetime) -> Hanging:
    """What would end with the account, and what keeps it."""
    memberships = list(user.memberships.select_related("team").order_by("joined_at", "pk"))
    other_owners = Membership.objects.filter(team_id=OuterRef("pk"), role=Role.OWNER, user__is_active=True).exclude(
        user=user
    )
    owned = Team.objects.filter(closed_at=None, memberships__user=user, memberships__role=Role.OWNER)
    operators = User.objects.filter(is_superuser=True, is_active=True)
    return Hanging(
        memberships=memberships,
        last_owner_of=list(owned.exclude(Exists(other_owners)).order_by("name", "pk")),
        tokens=list(user.api_tokens.filter(revoked_at__isnull=True).select_related("team").order_by("pk")),
        invitations=departures.open_invitations(now).filter(invited_by=user).count(),
        sessions=UserSession.objects.filter(user=user).count(),
        only_operator=user.is_superuser and not operators.exclude(pk=user.pk).exists(),
    )


@transaction.atomic
def delete(*, user: User, now: datetime) -> None:
    """End the account for good. What the person did stays on record under their address, as text.

    The row stays, so that nothing that names it breaks; its address is free for a new account.
    """
    User.objects.select_for_update().get(pk=user.pk)
    hanging = hanging_on(user, now)
    if hanging.last_owner_of:
        names = ", ".join(team.name for team in hanging.last_owner_of)
        raise PersonRefused(
            f"You are the only owner of {names}. Make somebody else an owner there, or close the team, then come back.",
            "last-owner",
        )
    if hanging.only_operator:
        raise PersonRefused(
            "You are the only operator of this installation. Make somebody else one, then come back.", "last-operator"
        )
    for membership in user.memberships.select_related("team", "user").order_by("team_id"):
        team = membership.team
        teams.remove(membership=membership, actor=user, now=now)
        audit.record(team=team, actor=user, action="account.deleted", subject=user.email, now=now)
    audit.record_person(person=user, actor=user, action="account.deleted", subject=user.email, now=now)
    end_sessions(user)
    EmailAddress.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    user.groups.clear()
    user.user_permissions.clear()
    user.set_unusable_password()
    user.email = f"{user.email[:230]} (deleted {user.pk})"
    user.first_name = user.last_name = ""
    user.time_zone = "UTC"
    user.last_login = None
    user.is_active = user.is_staff = user.is_superuser = False
    user.deleted_at = now
    user.save()


def export_of(user: User, now: datetime) -> dict[str, Any]:
    """What we keep about the person: no secret, and nothing about anybody else."""
    memberships = list(user.memberships.select_related("team").order_by("joined_at", "pk"))
    return {
        "made_at": now,
        "person": {
            "email": user.email,
            "time_zone": user.time_zone,
            "signed_up_at": user.date_joined,
            "last_signed_in_at": user.last_login,
            "is_operator": user.is_staff,
        },
        "addresses": list(EmailAddress.objects.filter(user=user).order_by("pk").values("email", "verified", "primary")),
        "second_factors": list(
            Authenticator.objects.filter(user=user).order_by("pk").values("type", "created_at", "last_used_at")
        ),
        "sessions": list(
            UserSession.objects.filter(user=user)
            .order_by("pk")
            .values("ip", "user_agent", "created_at", "last_seen_at")
        ),
        "teams": [
            {
                "code": row.team.code,
                "name": row.team.name,
                "role": row.role,
                "joined_at": row.joined_at,
                "mail_about_approvals": row.mail_approvals,
            }
            for row in memberships
        ],
        "api_tokens": list(
            user.api_tokens.order_by("pk").values(
                "team__name", "name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at"
            )
        ),
        "invitations_made": list(
            Invitation.objects.filter(invited_by=user)
            .order_by("pk")
            .values("team__name", "role", "created_at", "expires_at", "accepted_at")
        ),
        "record": _own_record(user, {row.team_id for row in memberships}),
    }


def _own_record(user: User, team_pks: set[int]) -> list[dict[str, Any]]:
    """What the person did and what happened to their account, oldest first. Of teams they are in no more, only what and when."""
    entries = AuditEntry.objects.filter(Q(actor=user) | Q(chain__person=user)).select_related("team", "chain")
    rows = []
    for entry in entries.order_by("pk").iterator():
        row: dict[str, Any] = {"at": entry.at, "action": entry.action, "team": entry.team.name if entry.team else ""}
        own = entry.chain.person_id == user.pk
        if own:
            row |= {"address": entry.address, "origin": entry.origin}
        if own or entry.team_id in team_pks:
            subject = "" if entry.action in _ABOUT_OTHERS else entry.subject
            details = {"subject": subject, "before": entry.before, "after": entry.after}
            row |= {name: _without_others(value, user.email) for name, value in details.items()}
        rows.append(row)
    return rows


def _without_others(value: Any, own: str) -> Any:
    """The value without addresses of other people."""
    match value:
        case str():
            return _ADDRESS.sub(
                lambda each: each[0] if each[0].casefold() == own.casefold() else "(somebody else)", value
            )
        case dict():
            return {_without_others(name, own): _without_others(each, own) for name, each in value.items()}
        case list():
            return [_without_others(each, own) for each in value]
        case _:
            return value
