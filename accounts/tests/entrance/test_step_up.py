"""What moves money or shows a secret asks once more; a stolen session, or a stolen password, opens none of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, Invitation, Membership, Role, Team, User
from accounts.tests.entrance.factors import code_of_the_app, with_app

pytestmark = pytest.mark.django_db
PASSWORD = "alice's password"
LATER = dt.timedelta(minutes=11)


@pytest.fixture
def stale(alice: User, team: Team) -> Client:
    """Alice's browser, eleven minutes after she signed in."""
    client = Client()
    with time_machine.travel(timezone.now() - LATER, tick=False):
        client.force_login(alice)
    return client


def actions(team: Team) -> dict[str, tuple[str, dict[str, Any]]]:
    settings = f"/teams/{team.code}/settings/"
    return {
        "a token": (settings + "tokens/", {"name": "robot", "scopes": ["trade"]}),
        "an owner invited": (settings + "invite/", {"role": "owner", "note": "me"}),
        "an owner made": (settings + "members/role/", {"role": "owner", "email": "bob@example.com"}),
        "safety": (settings + "safety/", {"second_factor_from": "", "stops_from": "viewer"}),
        "resumed": (f"/teams/{team.code}/guards/team/{team.code}/resume/", {"reason": "on we go"}),
        "unlocked": (f"/teams/{team.code}/guards/team/{team.code}/unlock/", {"reason": "on we go"}),
    }


@pytest.mark.parametrize("name", ["a token", "an owner invited", "an owner made", "safety", "resumed", "unlocked"])
def test_a_stale_session_is_asked_first(stale: Client, team: Team, name: str) -> None:
    path, form = actions(team)[name]

    answer = stale.post(path, form)

    assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, "/accounts/reauthenticate/")
    team.refresh_from_db()
    assert not ApiToken.objects.exists()
    assert not Invitation.objects.exists()
    assert not Membership.objects.filter(user__email="bob@example.com", role=Role.OWNER).exists()
    assert team.stops_from == Role.TRADER


def test_the_confirmation_carries_on_with_what_was_sent(stale: Client, team: Team) -> None:
    path, form = actions(team)["a token"]
    page = stale.post(path, form).headers["Location"]

    assert "That is wrong" not in stale.post(page, {"password": "guess"}).text
    assert not ApiToken.objects.exists()
    answer = stale.post(page, {"password": PASSWORD})

    assert answer.headers["Location"] == f"/teams/{team.code}/settings/"
    assert ApiToken.objects.get().name == "robot"
    # Ten minutes hold for the next one, too.
    assert stale.post(path, {**form, "name": "second"}).headers["Location"] == f"/teams/{team.code}/settings/"


def test_a_fresh_sign_in_is_not_asked(alice: User, team: Team) -> None:
    client = Client()
    client.force_login(alice)
    path, form = actions(team)["a token"]
    assert client.post(path, form).headers["Location"] == f"/teams/{team.code}/settings/"


def test_what_is_harmless_or_stops_never_asks(stale: Client, team: Team) -> None:
    settings = f"/teams/{team.code}/settings/"
    assert stale.post(settings + "invite/", {"role": "viewer", "note": "you"}).headers["Location"] == settings
    stop = stale.post(f"/teams/{team.code}/guards/team/{team.code}/stop/", {"how": "entries", "reason": "News"})
    assert stop.headers["Location"] == f"/teams/{team.code}/guards/"


def test_a_password_confirms_nothing_where_there_is_a_second_factor(stale: Client, alice: User, team: Team) -> None:
    with_app(alice)
    path, form = actions(team)["a token"]

    page = stale.post(path, form).headers["Location"]
    assert page.startswith("/accounts/2fa/reauthenticate/")
    # The page for passwords leads to the one for codes, and takes no password.
    by_password = stale.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert by_password.headers["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert stale.post(path, form).headers["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert not ApiToken.objects.exists()

    assert stale.post(page, {"code": code_of_the_app()}).headers["Location"] == f"/teams/{team.code}/settings/"
    assert ApiToken.objects.exists()


def test_a_script_learns_where_to_confirm(stale: Client, team: Team) -> None:
    path, form = actions(team)["a token"]
    here = f"http://testserver/teams/{team.code}/settings/"
    fetched = stale.post(path, form, headers={"sec-fetch-mode": "cors", "referer": here})
    assert fetched.status_code == 403
    assert fetched.headers["Halyard-Confirm"] == f"/accounts/reauthenticate/?next=%2Fteams%2F{team.code}%2Fsettings%2F"
    htmx = stale.post(path, form, headers={"hx-request": "true", "hx-current-url": "https://evil.example/"})
    assert htmx.headers["HX-Redirect"] == "/accounts/reauthenticate/?next=%2F"


def test_a_form_that_carries_a_secret_is_not_kept(stale: Client, team: Team) -> None:
    path, form = actions(team)["a token"]
    stale.post(path, {**form, "gateway_secret": "hush"})
    assert "hush" not in str(dict(stale.session))


@pytest.mark.parametrize("proved_at", ["soon", None, [], 9e18])
def test_a_strange_proof_is_none(alice: User, team: Team, proved_at: Any) -> None:
    client = Client()
    client.force_login(alice)
    session = client.session
    session["proved_at"] = proved_at
    session.save()
    path, form = actions(team)["a token"]
    assert client.post(path, form).headers["Location"].startswith("/accounts/reauthenticate/")
