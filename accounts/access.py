"""The only way to a team and its rows: membership and role are checked before anything is returned."""

from __future__ import annotations

import uuid
from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q
from django.http import Http404

from accounts.entrance.second_factors import require_second_factor
from accounts.models import Membership, Role, Team, User

Row = TypeVar("Row", bound=models.Model)


def membership_for(user: User | AnonymousUser, code: uuid.UUID, role: Role = Role.VIEWER) -> Membership:
    """The person's membership of the team; Http404 for a stranger, PermissionDenied for a lesser role.

    SecondFactorNeeded, which is a PermissionDenied, where the team asks for two-step sign-in and the person has none.
    """
    membership = _membership(user, code)
    _refuse_where_closed(membership, role)
    return _with_role(membership, role)


def _with_role(membership: Membership, role: Role) -> Membership:
    if not membership.may(role):
        raise PermissionDenied(
            f"This needs the role of {role.label.lower()} in this team. Ask an owner of the team for it."
        )
    require_second_factor(membership)
    return membership


def membership_that_stops(user: User | AnonymousUser, code: uuid.UUID) -> Membership:
    """The membership of somebody whom the team lets stop trading. Stopping never waits for a second factor."""
    membership = _membership(user, code)
    if not membership.may_stop:
        role = Role(membership.team.stops_from)
        raise PermissionDenied(
            f"Stopping needs the role of {role.label.lower()} in this team. Ask an owner of the team for it."
        )
    return membership


def _membership(user: User | AnonymousUser, code: uuid.UUID) -> Membership:
    if not user.is_authenticated:
        raise Http404("No such team.")
    membership = Membership.objects.select_related("team", "user").filter(user_id=user.pk, team__code=code).first()
    if membership is None:
        raise Http404("No such team.")
    return membership


class TeamClosed(PermissionDenied):
    """The team was closed; the message is a sentence for people."""

    code = "team-closed"


def _refuse_where_closed(membership: Membership, role: Role) -> None:
    """Raise TeamClosed for all that is more than an owner's reading of a closed team."""
    if membership.team.closed_at is None or (membership.may(Role.OWNER) and role is Role.VIEWER):
        return
    raise TeamClosed(f"{membership.team.name} is closed. One of its owners can open it again on its page.")


def membership_of_closed(user: User | AnonymousUser, code: uuid.UUID) -> Membership:
    """An owner's membership of a team that is closed; who may open it again."""
    return _with_role(_membership(user, code), Role.OWNER)


def team_for(user: User | AnonymousUser, code: uuid.UUID, role: Role = Role.VIEWER) -> Team:
    """The team, or 404 / 403."""
    return membership_for(user, code, role).team


def row_for(
    user: User | AnonymousUser,
    team_code: uuid.UUID,
    rows: models.QuerySet[Row],
    code: uuid.UUID,
    role: Role = Role.VIEWER,
) -> Row:
    """The team's row with this public code, or 404 / 403. `rows` are of any model with `team` and `code`."""
    team = team_for(user, team_code, role)
    row = rows.filter(team=team, code=code).first()
    if row is None:
        raise Http404("This team has nothing at this address.")
    return row


def teams_of(user: User) -> models.QuerySet[Membership]:
    """The person's memberships with their teams, oldest first; of closed teams those as owner."""
    mine = Membership.objects.filter(user=user).select_related("team").order_by("joined_at", "id")
    return mine.filter(Q(team__closed_at=None) | Q(role=Role.OWNER))
