"""Signing up, in and out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client

from accounts import teams
from accounts.models import Membership, Role, Team, User

pytestmark = pytest.mark.django_db
PASSWORD = "a sail of another colour"


def sign_up(client: Client, email: str = "dora@example.com") -> None:
    answer = client.post("/accounts/signup/", {"email": email, "password1": PASSWORD})
    assert answer.status_code == 302, answer.text


def test_it_gives_a_new_person_a_team_of_their_own(client: Client) -> None:
    sign_up(client)
    membership = Membership.objects.get(user__email="dora@example.com")
    assert (membership.team.name, membership.role) == ("dora's team", Role.OWNER)


def test_it_seats_an_invited_person_in_the_team_that_invited_them(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    from django.utils import timezone

    token = teams.invite(team=team, actor=alice, role=Role.TRADER, note="Dora", now=timezone.now())
    client.get(f"/invitations/{token}/")
    sign_up(client)
    membership = Membership.objects.get(user__email="dora@example.com")
    assert (membership.team, membership.role) == (team, Role.TRADER)


def test_it_is_open_to_the_invited_where_sign_up_is_closed(
    client: Client, alice: User, team: Team, settings: Any
) -> None:
    from django.utils import timezone

    settings.SIGNUP_OPEN = False
    assert "Sign-up is closed" in client.get("/accounts/signup/").text
    token = teams.invite(team=team, actor=alice, role=Role.VIEWER, note="", now=timezone.now())
    client.get(f"/invitations/{token}/")
    sign_up(client)
    assert team.members.filter(email="dora@example.com").exists()


def test_it_names_the_field_that_is_wrong(client: Client) -> None:
    page = client.post("/accounts/signup/", {"email": "dora", "password1": "12345678"})
    assert 'aria-invalid="true"' in page.text
    assert "This password is too common." in page.text
    assert not User.objects.exists()


def test_it_signs_in_with_the_address_in_any_letter_case(client: Client, alice: User, team: Team) -> None:
    answer = client.post("/accounts/login/", {"login": "Alice@Example.com", "password": "alice's password"})
    assert answer.headers["Location"] == "/"
    assert client.get("/").headers["Location"] == f"/teams/{team.code}/"


def test_it_signs_out_by_post_only(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert "Sign out?" in client.get("/accounts/logout/").text
    client.post("/accounts/logout/")
    assert client.get("/you/").status_code == 302


@pytest.mark.parametrize(
    "path", ["login", "signup", "logout", "password/reset", "password/reset/done", "email", "password/change", "2fa"]
)
def test_every_page_of_the_sign_in_library_looks_like_ours(client: Client, alice: User, path: str) -> None:
    if path in {"logout", "email", "password/change", "2fa"}:
        client.force_login(alice)
    page = client.get(f"/accounts/{path}/")
    assert page.status_code == 200
    assert "css/entrance.css" in page.text
    assert "<strong>Menu:" not in page.text


def test_it_mails_a_link_that_chooses_a_new_password(
    client: Client, alice: User, mailoutbox: list[EmailMessage]
) -> None:
    from allauth.account.models import EmailAddress

    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    client.post("/accounts/password/reset/", {"email": "alice@example.com"})
    mail = mailoutbox[0]
    assert mail.subject == "Halyard: Choose a new password"
    link = next(line for line in mail.body.splitlines() if "/accounts/password/reset/key/" in line)
    page = client.get(link, follow=True)
    assert "Choose a new password" in page.text
    client.post(page.request["PATH_INFO"], {"password1": PASSWORD, "password2": PASSWORD})
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
