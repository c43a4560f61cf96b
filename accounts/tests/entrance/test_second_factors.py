"""A stolen password is not enough: two-step sign-in, and teams and operators that ask for it."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.core import mail
from django.test import Client

from accounts import teams
from accounts.models import AuditEntry, Role, Team, User
from accounts.tests.entrance.factors import code_of_the_app, with_app

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def asking(team: Team, role: Role, stops: Role = Role.TRADER) -> None:
    Team.objects.filter(pk=team.pk).update(second_factor_from=role, stops_from=stops)


def test_a_password_alone_does_not_sign_in(alice: User, team: Team) -> None:
    with_app(alice)
    client = Client()
    answer = client.post("/accounts/login/", {"login": alice.email, "password": "alice's password"})
    assert answer.headers["Location"].startswith("/accounts/2fa/authenticate/")
    assert client.get(f"/teams/{team.code}/").status_code == 302
    assert client.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 200
    assert "_auth_user_id" not in client.session

    client.post("/accounts/2fa/authenticate/", {"code": code_of_the_app()})
    assert client.get(f"/teams/{team.code}/").status_code == 200


@pytest.mark.parametrize(("role", "shut_out"), [("owner", True), ("trader", True), ("viewer", True), ("", False)])
def test_a_team_asks_its_roles(alice: User, team: Team, role: str, shut_out: bool) -> None:
    Team.objects.filter(pk=team.pk).update(second_factor_from=role)
    client = signed_in(alice)
    answer = client.get(f"/teams/{team.code}/")
    assert (answer.status_code == 403) is shut_out
    if shut_out:
        assert "second-factor-needed" in answer.text
        assert "/accounts/2fa/" in answer.text
        with_app(alice)
        assert client.get(f"/teams/{team.code}/").status_code == 200


def test_a_lesser_role_than_asked_is_let_in(bob: User, team: Team) -> None:
    asking(team, Role.OWNER)
    assert signed_in(bob).get(f"/teams/{team.code}/").status_code == 200


def test_stopping_waits_for_no_second_factor(alice: User, team: Team) -> None:
    asking(team, Role.VIEWER)
    client = signed_in(alice)
    stop = f"/teams/{team.code}/guards/team/{team.code}/stop/"
    assert client.get(stop).status_code == 200
    assert client.post(stop, {"how": "entries", "reason": "News"}).status_code == 302
    team.refresh_from_db()
    assert client.post(f"/teams/{team.code}/guards/team/{team.code}/resume/", {"reason": "on"}).status_code == 403


def test_a_viewer_stops_where_the_team_says_so(bob: User, team: Team) -> None:
    client = signed_in(bob)
    stop = f"/teams/{team.code}/guards/team/{team.code}/stop/"
    assert client.get(stop).status_code == 403
    Team.objects.filter(pk=team.pk).update(stops_from=Role.VIEWER)
    assert "Stop trading" in client.get(f"/teams/{team.code}/").text
    assert client.post(stop, {"how": "entries", "reason": "News"}).status_code == 302
    assert client.post(f"/teams/{team.code}/guards/team/{team.code}/resume/", {"reason": "on"}).status_code == 403


def test_the_api_asks_as_well_but_lets_stop(alice: User, team: Team, now: datetime) -> None:
    secret = teams.issue_token(team=team, user=alice, name="robot", scopes=["trade"], now=now)
    asking(team, Role.TRADER)
    client = Client(headers={"authorization": f"Token {secret}"})
    refused = client.get("/api/v1/signals/")
    assert (refused.status_code, refused.json()["code"]) == (403, "second-factor-needed")
    path = f"/api/v1/guards/team/{team.code}/"
    halted = client.post(path + "halt/", {"how": "entries", "reason": "News"}, "application/json")
    assert halted.status_code == 200
    assert client.post(path + "resume/", {"reason": "on"}, "application/json").status_code == 403
    with_app(alice)
    assert client.get("/api/v1/signals/").status_code == 200


def test_an_owner_sets_it_and_cannot_lock_themselves_out(alice: User, bob: User, team: Team) -> None:
    client = signed_in(alice)
    form = {"second_factor_from": "owner", "stops_from": "approver"}
    answer = client.post(f"/teams/{team.code}/settings/safety/", form, follow=True)
    assert "Set up two-step sign-in for yourself first" in answer.text
    with_app(alice)
    client.post(f"/teams/{team.code}/settings/safety/", form)
    team.refresh_from_db()
    assert (team.second_factor_from, team.stops_from) == ("owner", "approver")
    entry = AuditEntry.objects.filter(team=team, action="team.safety").get()
    before = {"second_factor_from": "", "stops_from": "trader", "approval_policy": "anybody"}
    assert (entry.before, entry.after) == (before, {**form, "approval_policy": "anybody"})
    assert signed_in(bob).post(f"/teams/{team.code}/settings/safety/", form).status_code == 403


def test_a_wrong_choice_changes_nothing(alice: User, team: Team) -> None:
    with_app(alice)
    form = {"second_factor_from": "king", "stops_from": "owner"}
    answer = signed_in(alice).post(f"/teams/{team.code}/settings/safety/", form, follow=True)
    assert "Choose one of the roles offered." in answer.text
    team.refresh_from_db()
    assert (team.second_factor_from, team.stops_from) == ("", "trader")


def test_an_operator_needs_one(db: None) -> None:
    operator = User.objects.create_superuser("operator@example.com", "the operator's password")
    client = signed_in(operator)
    for page in ("/admin/", "/admin/accounts/user/"):
        answer = client.get(page, follow=True)
        assert answer.redirect_chain[-1][0] == "/accounts/2fa/"
        assert "need two-step sign-in" in answer.text
    with_app(operator)
    assert client.get("/admin/accounts/user/").status_code == 200


def test_a_mail_says_that_it_was_switched_off(alice: User, team: Team) -> None:
    with_app(alice)
    client = signed_in(alice)
    client.post("/accounts/2fa/reauthenticate/", {"code": code_of_the_app()})
    client.post("/accounts/2fa/totp/deactivate/")
    assert [message.to for message in mail.outbox] == [[alice.email]]
    assert mail.outbox[0].subject == "Halyard: Two-step sign-in no longer asks for the app"
