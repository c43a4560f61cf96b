"""A person takes their data along, and ends their account: nothing of it opens anything, and nothing breaks."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.audit import checking
from accounts.models import ApiToken, AuditChain, AuditEntry, Departure, Membership, Role, Team, User
from accounts.tests.entrance.factors import SECRET, with_app

pytestmark = pytest.mark.django_db


@pytest.fixture
def trader(team: Team, bob: User) -> User:
    """Bob, who trades, and has made a token."""
    team.memberships.filter(user=bob).update(role=Role.TRADER)
    with_app(bob)
    teams.issue_token(team=team, user=bob, name="Bob's laptop", now=timezone.now())
    return bob


def export(client: Client) -> dict[str, Any]:
    answer = client.get("/you/export/")
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Disposition"].startswith("attachment")
    content: dict[str, Any] = json.loads(answer.content)
    return content


def test_the_export_holds_what_is_the_persons_own(client: Client, trader: User, team: Team) -> None:
    client.force_login(trader)
    key = client.session.session_key
    UserSession.objects.get_or_create(
        user=trader, session_key=key, defaults={"ip": "203.0.113.7", "user_agent": "Firefox"}
    )
    content = export(client)
    assert content["person"]["email"] == "bob@example.com"
    assert content["addresses"] == [{"email": "bob@example.com", "verified": True, "primary": True}]
    assert [(row["name"], row["role"]) for row in content["teams"]] == [(team.name, "trader")]
    assert [row["name"] for row in content["api_tokens"]] == ["Bob's laptop"]
    assert [row["type"] for row in content["second_factors"]] == ["totp"]
    assert len(content["sessions"]) == 1
    assert [row["action"] for row in content["record"]] == ["token.issued"]


def test_the_export_holds_no_secret_and_nobody_else(client: Client, alice: User, trader: User, team: Team) -> None:
    link = teams.invite(team=team, actor=alice, role=Role.VIEWER, note="Dora Novak", now=timezone.now())
    token = teams.issue_token(team=team, user=alice, name="hers", now=timezone.now())
    membership = Membership.objects.select_related("team", "user").get(team=team, user=trader)
    teams.change_role(membership=membership, role=Role.OWNER, actor=alice, now=timezone.now())
    client.force_login(alice)
    text = json.dumps(export(client))
    assert "alice@example.com" in text
    for foreign in (
        link,
        token,
        "Dora",
        "bob@example.com",
        "Bob's laptop",
        SECRET,
        alice.password,
        client.session.session_key,
    ):
        assert str(foreign) not in text
    assert "(somebody else)" in text
    client.force_login(trader)
    text = json.dumps(export(client))
    for foreign in ("alice@example.com", '"hers"', SECRET, ApiToken.objects.get(name="hers").token_hash):
        assert foreign not in text


def test_of_a_team_one_has_left_only_what_and_when_is_told(
    client: Client, alice: User, trader: User, team: Team
) -> None:
    membership = Membership.objects.select_related("team", "user").get(team=team, user=trader)
    teams.remove(membership=membership, actor=alice, now=timezone.now())
    client.force_login(trader)
    assert [set(row) for row in export(client)["record"]] == [{"at", "action", "team"}]


@pytest.mark.parametrize(("method", "path"), [("get", "/you/export/"), ("post", "/you/delete/")])
def test_a_stale_session_confirms_first(bob: User, team: Team, method: str, path: str) -> None:
    client = Client()
    with time_machine.travel(timezone.now() - dt.timedelta(minutes=11), tick=False):
        client.force_login(bob)
    answer = getattr(client, method)(path, {"address": bob.email})
    assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, "/accounts/reauthenticate/")
    assert User.objects.get(pk=bob.pk).deleted_at is None


def test_nobody_signed_in_has_no_account(client: Client) -> None:
    for path in ("/you/export/", "/you/delete/"):
        assert client.get(path).status_code == 302


def test_it_says_first_what_hangs_on_it(client: Client, alice: User, trader: User, team: Team) -> None:
    client.force_login(alice)
    page = client.get("/you/delete/").text
    assert "You are the only owner of <strong>Alice&#x27;s team</strong>" in page
    assert "Delete my account for good" not in page
    client.force_login(trader)
    page = client.get("/you/delete/").text
    assert "The API token Bob&#x27;s laptop" in page
    assert "you are its trader" in page
    assert "Delete my account for good" in page


@pytest.mark.parametrize("typed", ["", "bob", "alice@example.com", "bob@example.com\u0000"])
def test_a_wrong_address_deletes_nothing(client: Client, trader: User, typed: str) -> None:
    client.force_login(trader)
    page = client.post("/you/delete/", {"address": typed})
    assert page.status_code in {400, 422}
    assert User.objects.get(pk=trader.pk).is_active


def test_the_only_owner_is_refused_in_one_sentence(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    page = client.post("/you/delete/", {"address": alice.email})
    assert page.status_code == 422
    assert "Make somebody else an owner there, or close the team, then come back. (last-owner)" in page.text
    assert team.memberships.filter(user=alice).exists()


def test_the_only_operator_is_refused(client: Client) -> None:
    operator = User.objects.create_superuser("op@example.com", "the operator's password")
    client.force_login(operator)
    page = client.post("/you/delete/", {"address": operator.email})
    assert "(last-operator)" in page.text


def test_a_deleted_account_opens_nothing_and_stays_on_record(
    client: Client, alice: User, trader: User, team: Team, mailoutbox: list[EmailMessage]
) -> None:
    client.force_login(trader)
    other = Client()
    other.force_login(trader)
    pk = trader.pk

    answer = client.post("/you/delete/", {"address": "BOB@example.com"}, follow=True)

    assert "Your account is deleted." in answer.text
    gone = User.objects.get(pk=pk)
    assert (gone.email, gone.is_active, gone.has_usable_password()) == (f"bob@example.com (deleted {pk})", False, False)
    assert not Membership.objects.filter(user=gone).exists()
    for rows in (EmailAddress, Authenticator, UserSession):
        assert not rows.objects.filter(user=gone).exists()
    assert not ApiToken.objects.filter(user=gone, revoked_at__isnull=True).exists()
    for browser in (client, other):
        assert browser.get("/you/").status_code == 302
    assert Departure.objects.get().email == "bob@example.com"
    assert [mail.subject for mail in mailoutbox if mail.to == ["bob@example.com"]] == [
        "Halyard: Your account is deleted"
    ]
    # What he did is told as before, and the chain is whole.
    assert AuditEntry.objects.filter(team=team, action="account.deleted", subject="bob@example.com").exists()
    assert isinstance(checking.check(AuditChain.objects.get(team=team)), checking.Whole)
    client.force_login(alice)
    assert client.get(f"/teams/{team.code}/settings/").status_code == 200


def test_the_address_is_free_for_a_new_account(client: Client, trader: User) -> None:
    client.force_login(trader)
    client.post("/you/delete/", {"address": trader.email})
    Client().post("/accounts/signup/", {"email": "bob@example.com", "password1": "a sail of another colour"})
    again = User.objects.get(email="bob@example.com")
    assert again.pk != trader.pk
    client.force_login(again)
    client.post("/you/delete/", {"address": again.email})
    # Only owner of a team of their own, so far: that is closed first.
    assert User.objects.get(pk=again.pk).is_active


def test_postgres_lets_no_deleted_person_in(trader: User) -> None:
    for values in ({"is_active": True}, {"is_active": False, "is_superuser": True}):
        with pytest.raises(IntegrityError, match="deleted_person_never_signs_in"), transaction.atomic():
            User.objects.filter(pk=trader.pk).update(deleted_at=timezone.now(), **values)
