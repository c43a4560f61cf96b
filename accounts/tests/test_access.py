"""`access`: the only way in."""

from __future__ import annotations

import uuid
from datetime import datetime

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from accounts import access, teams
from accounts.models import RANK, Membership, Role, Team, User
from brokers.models import Connection
from brokers.tests import rows


def test_an_owner_gets_the_team_whatever_role_it_takes(team: Team, alice: User) -> None:
    assert [access.team_for(alice, team.code, role) for role in Role] == [team] * 4


def test_a_viewer_gets_the_team_to_look_at_and_403_for_more(team: Team, bob: User) -> None:
    assert access.team_for(bob, team.code) == team
    for role in (Role.APPROVER, Role.TRADER, Role.OWNER):
        with pytest.raises(PermissionDenied, match=f"needs the role of {role.label.lower()} in this team"):
            access.team_for(bob, team.code, role)


@pytest.mark.parametrize("role", Role)
def test_a_stranger_gets_404_whatever_role_it_takes(team: Team, charlie: User, role: Role) -> None:
    with pytest.raises(Http404, match="No such team"):
        access.team_for(charlie, team.code, role)


def test_a_team_that_does_not_exist_looks_like_one_that_is_not_yours(team: Team, alice: User, charlie: User) -> None:
    with pytest.raises(Http404) as nobodys:
        access.team_for(alice, uuid.uuid4())
    with pytest.raises(Http404) as not_yours:
        access.team_for(charlie, team.code)
    assert str(nobodys.value) == str(not_yours.value)


def test_nobody_gets_404(team: Team) -> None:
    with pytest.raises(Http404):
        access.team_for(AnonymousUser(), team.code)


@pytest.mark.parametrize("has", Role)
@pytest.mark.parametrize("needs", Role)
def test_whoever_may_do_more_may_do_less(has: Role, needs: Role) -> None:
    assert Membership(role=has).may(needs) is (RANK[has] >= RANK[needs])


def test_the_roles_are_ranked_viewer_approver_trader_owner() -> None:
    assert sorted(Role, key=lambda role: RANK[role]) == [Role.VIEWER, Role.APPROVER, Role.TRADER, Role.OWNER]


def test_a_thing_is_found_through_its_team(team: Team, alice: User, bob: User) -> None:
    connection = rows.connection(team)
    for person in (alice, bob):
        row = access.row_for(person, team.code, Connection.objects.all(), connection.code)
        assert row == connection


def test_a_viewer_may_not_have_a_thing_that_takes_a_trader(team: Team, bob: User) -> None:
    connection = rows.connection(team)
    with pytest.raises(PermissionDenied):
        access.row_for(bob, team.code, Connection.objects.all(), connection.code, Role.TRADER)


def test_a_thing_of_another_team_is_404_through_either_teams_address(
    team: Team, alice: User, charlie: User, now: datetime
) -> None:
    theirs = teams.found_team(owner=charlie, name="Charlie's", now=now)
    connection = rows.connection(theirs)
    for address in (team, theirs):
        with pytest.raises(Http404):
            access.row_for(alice, address.code, Connection.objects.all(), connection.code)


def test_a_thing_of_ones_own_other_team_is_404_through_this_teams_address(
    team: Team, alice: User, now: datetime
) -> None:
    other = teams.found_team(owner=alice, name="Alice's second team", now=now)
    connection = rows.connection(other)
    with pytest.raises(Http404, match="nothing at this address"):
        access.row_for(alice, team.code, Connection.objects.all(), connection.code)


def test_the_teams_of_a_person_come_oldest_first(team: Team, alice: User, charlie: User, now: datetime) -> None:
    second = teams.found_team(owner=alice, name="Alice's second team", now=now)
    teams.found_team(owner=charlie, name="Charlie's", now=now)
    assert [membership.team for membership in access.teams_of(alice)] == [team, second]
