"""Whoever left, lost rank or was switched off comes back by nothing that they made while they could."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone

from accounts import departures, teams
from accounts.feed.needs import needs_of
from accounts.models import ApiToken, AuditEntry, Departure, Invitation, Leaving, Membership, Role, Team, User
from accounts.tests.entrance.factors import with_app

pytestmark = pytest.mark.django_db


@pytest.fixture
def mallory(team: Team, now: datetime) -> User:
    """A second owner, who prepares a way back."""
    user = User.objects.create_user("mallory@example.com", "mallory's password")
    Membership.objects.create(team=team, user=user, role=Role.OWNER, joined_at=now)
    return user


def membership(team: Team, user: User) -> Membership:
    return Membership.objects.select_related("team", "user").get(team=team, user=user)


def removed(team: Team, mallory: User, alice: User) -> None:
    teams.remove(membership=membership(team, mallory), actor=alice, now=timezone.now())


def leaves(team: Team, mallory: User, alice: User) -> None:
    teams.remove(membership=membership(team, mallory), actor=mallory, now=timezone.now())


def demoted(team: Team, mallory: User, alice: User) -> None:
    teams.change_role(membership=membership(team, mallory), role=Role.TRADER, actor=alice, now=timezone.now())


def demoted_to_viewer(team: Team, mallory: User, alice: User) -> None:
    teams.change_role(membership=membership(team, mallory), role=Role.VIEWER, actor=alice, now=timezone.now())


def switched_off(team: Team, mallory: User, alice: User) -> None:
    departures.switch_off(user=mallory, actor=alice, now=timezone.now())


def deleted_past_every_verb(team: Team, mallory: User, alice: User) -> None:
    Membership.objects.filter(team=team, user=mallory).delete()


Way = Callable[[Team, User, User], None]
WAYS: list[Way] = [removed, leaves, demoted, demoted_to_viewer, switched_off]


@pytest.mark.parametrize("way", [*WAYS, deleted_past_every_verb])
def test_a_link_of_somebody_who_is_no_owner_any_more_opens_nothing(
    team: Team, mallory: User, alice: User, charlie: User, way: Way
) -> None:
    before = timezone.now() - timedelta(minutes=1)
    token = teams.invite(team=team, actor=mallory, role=Role.OWNER, note="me again", now=before)
    hers = teams.invite(team=team, actor=alice, role=Role.VIEWER, note="Dora", now=before)

    way(team, mallory, alice)

    assert teams.find_invitation(token, timezone.now()) is None
    with pytest.raises(teams.TeamError):
        teams.join(token=token, user=charlie, now=timezone.now())
    # Not even by a moment that a slow request took before.
    with pytest.raises(teams.TeamError):
        teams.join(token=token, user=charlie, now=before)
    assert not team.memberships.filter(user=charlie).exists()
    assert teams.find_invitation(hers, timezone.now()) is not None


@pytest.mark.parametrize("way", WAYS)
def test_their_tokens_of_this_team_alone_are_revoked(team: Team, mallory: User, alice: User, way: Way) -> None:
    own = teams.found_team(owner=mallory, name="Mallory's", now=timezone.now())
    teams.issue_token(team=team, user=mallory, name="there", now=timezone.now())
    teams.issue_token(team=own, user=mallory, name="at home", now=timezone.now())
    teams.issue_token(team=team, user=alice, name="hers", now=timezone.now())

    way(team, mallory, alice)

    live = set(ApiToken.objects.filter(revoked_at__isnull=True).values_list("name", flat=True))
    # Who is switched off has no way into any team.
    assert live == ({"hers"} if way is switched_off else {"hers", "at home"})
    assert AuditEntry.objects.filter(team=team, action="token.revoked", subject="there").exists()


@pytest.mark.parametrize(
    ("way", "how"),
    [(removed, "removed"), (leaves, "left"), (demoted, "demoted"), (switched_off, "switched-off")],
)
def test_what_they_knew_waits_for_an_owner(team: Team, mallory: User, alice: User, way: Way, how: str) -> None:
    way(team, mallory, alice)
    departure = Departure.objects.get(team=team)
    assert (departure.email, departure.how, departure.role_before) == (mallory.email, how, "owner")
    [need] = [each for each in needs_of(team, timezone.now()).rows if each.key.startswith("departure-")]
    assert need.title.startswith("mallory@example.com ")
    assert str(departure.code) in need.href


def test_who_could_see_no_secret_leaves_nothing_to_rotate(team: Team, bob: User, alice: User, now: datetime) -> None:
    assert teams.remove(membership=membership(team, bob), actor=alice, now=now) is None
    assert not Departure.objects.exists()


def test_a_greater_role_ends_nothing(team: Team, bob: User, alice: User, now: datetime) -> None:
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    teams.issue_token(team=team, user=bob, name="robot", now=now)
    assert teams.change_role(membership=membership(team, bob), role=Role.OWNER, actor=alice, now=now) is None
    assert ApiToken.objects.get().revoked_at is None


def test_an_owner_who_is_switched_off_does_not_count_as_one(team: Team, mallory: User, alice: User) -> None:
    departures.switch_off(user=mallory, actor=None, now=timezone.now())
    with pytest.raises(teams.TeamError, match="only owner"):
        teams.remove(membership=membership(team, alice), actor=alice, now=timezone.now())


def test_the_operators_switch_ends_sessions_links_and_tokens(client: Client, team: Team, mallory: User) -> None:
    operator = User.objects.create_superuser("op@example.com", "the operator's password")
    with_app(operator)
    client.force_login(operator)
    theirs = Client()
    theirs.force_login(mallory)
    assert theirs.get(f"/teams/{team.code}/settings/").status_code == 200
    token = teams.invite(team=team, actor=mallory, role=Role.OWNER, note="", now=timezone.now())
    teams.issue_token(team=team, user=mallory, name="robot", now=timezone.now())

    form = {"is_staff": "", "groups": [], "user_permissions": []}
    answer = client.post(f"/admin/accounts/user/{mallory.pk}/change/", form)

    assert answer.status_code == 302, answer.text
    mallory.refresh_from_db()
    assert not mallory.is_active
    assert not UserSession.objects.filter(user=mallory).exists()
    assert theirs.get(f"/teams/{team.code}/settings/").status_code == 302
    assert ApiToken.objects.get().revoked_at is not None
    # Switched on again, they are in, but what they had made stays ended.
    client.post(f"/admin/accounts/user/{mallory.pk}/change/", {**form, "is_active": "on"})
    assert teams.find_invitation(token, timezone.now()) is None
    assert Departure.objects.get().how == Leaving.SWITCHED_OFF


def test_the_page_of_removal_leads_to_what_they_knew(client: Client, team: Team, mallory: User, alice: User) -> None:
    client.force_login(alice)
    path = f"/teams/{team.code}/settings/members/"
    answer = client.post(path + "role/", {"email": mallory.email, "role": "viewer"})
    departure = Departure.objects.get()
    assert answer.headers["Location"] == f"/teams/{team.code}/departures/{departure.code}/"
    # Who leaves by themselves is led nowhere; an owner who stays sees it on the dashboard.
    Departure.objects.all().delete()
    team.memberships.filter(user=mallory).update(role=Role.OWNER)
    client.force_login(mallory)
    assert client.post(path + "remove/", {"email": mallory.email}).headers["Location"] == "/"
    assert Departure.objects.get().how == Leaving.LEFT


def test_the_list_shows_only_links_that_open(client: Client, team: Team, mallory: User, alice: User) -> None:
    teams.invite(team=team, actor=mallory, role=Role.OWNER, note="me again", now=timezone.now())
    teams.invite(team=team, actor=alice, role=Role.OWNER, note="Dora", now=timezone.now())
    deleted_past_every_verb(team, mallory, alice)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/settings/").text
    assert "Dora" in page
    assert "me again" not in page
    assert Invitation.objects.count() == 2
