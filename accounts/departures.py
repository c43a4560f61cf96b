"""What ends when somebody leaves a team, loses rank in it or is switched off: their links, tokens and open pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from operator import itemgetter

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.urls import reverse

from accounts import audit
from accounts.audit import listening
from accounts.entrance.sessions import end_sessions
from accounts.feed import pushes
from accounts.feed.needs import Facts, Kind, Need, Urgency, moment, needs_changed, with_facts
from accounts.models import RANK, ApiToken, Departure, Invitation, Leaving, Membership, Role, Team, User

MOST = 5


def open_invitations(now: datetime) -> QuerySet[Invitation]:
    """Invitations whose links let somebody in: not used, not over, and made by somebody who is an owner today."""
    inviting = Membership.objects.filter(
        team_id=OuterRef("team_id"), user_id=OuterRef("invited_by_id"), role=Role.OWNER, user__is_active=True
    )
    return Invitation.objects.filter(
        Exists(inviting), team__closed_at=None, accepted_at__isnull=True, expires_at__gt=now
    )


def loses_rank(before: str, after: str) -> bool:
    """Whether the second role may do less than the first."""
    return RANK[Role(after)] < RANK[Role(before)]


@transaction.atomic
def depart(
    *, membership: Membership, how: Leaving, role_after: str = "", actor: User | None, now: datetime
) -> Departure | None:
    """Withdraw the person's invitations, revoke their tokens and close their pages of this team.

    The departure is returned where the person could see webhook URLs: what they knew can be rotated then.
    """
    team, user = membership.team, membership.user
    withdraw_all(Invitation.objects.filter(team=team, invited_by=user), actor=actor, now=now)
    revoke_all(ApiToken.objects.filter(team=team, user=user), actor=actor, now=now)
    if how is Leaving.DEMOTED:
        pushes.ask_again_on_commit(team.pk, user.pk)
    else:
        pushes.disconnect_on_commit(team.pk, user.pk)
    if not membership.may(Role.TRADER):
        return None
    departure = Departure.objects.create(
        team=team,
        user=user,
        email=user.email,
        how=how,
        role_before=membership.role,
        role_after=role_after,
        at=now,
    )
    needs_changed(team.pk)
    return departure


@transaction.atomic
def switch_off(*, user: User, actor: User | None, now: datetime) -> None:
    """Keep somebody out of the whole installation: their sessions end, and they depart from each of their teams."""
    User.objects.filter(pk=user.pk).update(is_active=False)
    user.is_active = False
    for membership in user.memberships.select_related("team", "user").order_by("team_id"):
        depart(membership=membership, how=Leaving.SWITCHED_OFF, actor=actor, now=now)
        audit.record(team=membership.team, actor=actor, action="team.member_switched_off", subject=user.email, now=now)
    listening.sessions_ended(user, count=end_sessions(user), actor=actor)


@transaction.atomic
def withdraw(*, invitation: Invitation, actor: User | None, now: datetime) -> None:
    """Withdraw an invitation: its link opens nothing from now on."""
    if Invitation.objects.filter(pk=invitation.pk, accepted_at__isnull=True, expires_at__gt=now).update(expires_at=now):
        subject = invitation.note or invitation.role
        audit.record(team=invitation.team, actor=actor, action="team.invitation_withdrawn", subject=subject, now=now)


@transaction.atomic
def withdraw_all(invitations: QuerySet[Invitation], *, actor: User | None, now: datetime) -> None:
    """Withdraw those of the invitations that are open."""
    waiting = invitations.filter(accepted_at__isnull=True, expires_at__gt=now).select_related("team")
    for invitation in waiting.select_for_update(of=("self",)).order_by("pk"):
        withdraw(invitation=invitation, actor=actor, now=now)


@transaction.atomic
def revoke_all(tokens: QuerySet[ApiToken], *, actor: User | None, now: datetime) -> list[ApiToken]:
    """Revoke those of the tokens that are live; they are returned with their teams."""
    live = tokens.filter(revoked_at__isnull=True).select_related("team")
    revoked = list(live.select_for_update(of=("self",)).order_by("pk"))
    for token in revoked:
        revoke(token=token, actor=actor, now=now)
    return revoked


@transaction.atomic
def revoke(*, token: ApiToken, actor: User | None, now: datetime) -> None:
    """Revoke a token: it is refused from the next request on."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now):
        audit.record(team=token.team, actor=actor, action="token.revoked", subject=token.name, now=now)


@transaction.atomic
def settle(*, departure: Departure, rotated: list[str], actor: User | None, now: datetime) -> bool:
    """Write down that an owner has dealt with a departure; False when somebody did so before."""
    open_still = Departure.objects.filter(pk=departure.pk, settled_at__isnull=True)
    if not open_still.update(settled_at=now):
        return False
    after = {"rotated": rotated}
    audit.record(
        team=departure.team, actor=actor, action="departure.settled", subject=departure.email, after=after, now=now
    )
    needs_changed(departure.team_id)
    return True


def joined_through(departure: Departure) -> QuerySet[Membership]:
    """Members who came in by an invitation of the person who departed."""
    if departure.user is None:
        return Membership.objects.none()
    accepted = Invitation.objects.filter(
        team_id=OuterRef("team_id"), accepted_by_id=OuterRef("user_id"), invited_by=departure.user
    )
    rows = Membership.objects.filter(Exists(accepted), team=departure.team).exclude(user=departure.user)
    return rows.select_related("user").order_by("joined_at", "pk")


def _unsettled(team: Team, now: datetime) -> QuerySet[Departure]:
    rows = Departure.objects.filter(team=team, settled_at__isnull=True).order_by("-pk")
    return with_facts(rows, code=F("code"), email=F("email"), how=F("how"), at=F("at"))[:MOST]


def _lines(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    """Departures that no owner has dealt with yet."""
    for row in sorted(facts, key=itemgetter("pk"), reverse=True):
        yield Need(
            key=f"departure-{row['code']}",
            urgency=Urgency.ANSWER,
            symbol="key",
            title=f"{row['email']} {Leaving(row['how']).label}",
            text="They could see secrets of this team. An owner can rotate them.",
            href=reverse("departure", args=[team.code, row["code"]]),
            action="Look",
            since=moment(row, "at"),
        )


NEEDS = [Kind(name="departures", rows=_unsettled, lines=_lines)]
