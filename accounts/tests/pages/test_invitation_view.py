"""The page behind an invitation link."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import Role, Team, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def link(alice: User, team: Team) -> str:
    return f"/invitations/{teams.invite(team=team, actor=alice, role=Role.TRADER, note='', now=timezone.now())}/"


def test_it_tells_a_stranger_who_invites_them_to_what(client: Client, link: str) -> None:
    page = client.get(link)
    assert "Join Alice&#x27;s team" in page.text
    assert "alice@example.com invites you as <strong>trader</strong>" in page.text
    assert "Sign up and join" in page.text


def test_it_joins_a_signed_in_person(client: Client, charlie: User, team: Team, link: str) -> None:
    client.force_login(charlie)
    assert client.get(link).status_code == 200
    assert not team.memberships.filter(user=charlie).exists()
    page = client.post(link, follow=True)
    assert "Welcome to Alice&#x27;s team." in page.text
    assert team.memberships.get(user=charlie).role == Role.TRADER


def test_it_brings_somebody_who_signs_in_back_to_the_invitation(client: Client, charlie: User, link: str) -> None:
    client.get(link)
    client.post("/accounts/login/", {"login": charlie.email, "password": "charlie's password"})
    assert client.get("/").headers["Location"] == link


def test_it_opens_nothing_a_second_time(client: Client, charlie: User, bob: User, link: str) -> None:
    client.force_login(charlie)
    client.post(link)
    client.force_login(bob)
    page = client.get(link)
    assert page.status_code == 404
    assert "This invitation opens nothing any more" in page.text
