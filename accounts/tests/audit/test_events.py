"""What happens to a person's account is written down: in their own record, and what matters to it in their teams'."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.test import Client

from accounts import teams
from accounts.audit import checking
from accounts.models import AuditChain, AuditEntry, Role, Team, User
from accounts.tests.entrance.factors import code_of_the_app, with_app

pytestmark = pytest.mark.django_db
PASSWORD = "alice's password"
FROM: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "Firefox on a boat"}


@pytest.fixture(autouse=True)
def limits_of_this_test(settings: Any) -> None:
    """The library counts tries in the cache, which other tests use as well."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "events"}}
    from django.core.cache import cache

    cache.clear()


def own(user: User) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(chain__person=user).order_by("number"))


def of_team(team: Team) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(team=team, action__startswith="member.").order_by("number"))


def sign_in(client: Client, password: str = PASSWORD, email: str = "alice@example.com") -> None:
    client.post("/accounts/login/", {"login": email, "password": password}, **FROM)


def prove(client: Client) -> None:
    """As if the person had just confirmed who they are."""
    session = client.session
    records = session["account_authentication_methods"]
    session["account_authentication_methods"] = [*records, {**records[-1], "reauthenticated": True}]
    session.save()


def test_a_sign_in_stands_in_the_persons_record_and_in_that_of_each_team(
    client: Client, alice: User, team: Team, charlie: User, now: datetime
) -> None:
    second = teams.found_team(owner=alice, name="Second", now=now)
    strange = teams.found_team(owner=charlie, name="Charlie's", now=now)
    sign_in(client)
    (entry,) = own(alice)
    assert (entry.action, entry.actor, entry.team) == ("signed_in", alice, None)
    assert (entry.address, entry.origin) == ("192.0.2.7", "page account_login")
    assert entry.after == {"by": ["password"], "new_browser": True, "browser": "Firefox on a boat"}
    for each in (team, second):
        (told,) = of_team(each)
        assert (told.action, told.subject, told.actor_name) == ("member.signed_in", alice.email, alice.email)
        # Where from is hers.
        assert (told.address, told.after) == ("", {"by": ["password"], "new_browser": True})
    assert of_team(strange) == []
    client.post("/accounts/logout/")
    sign_in(client)
    assert [entry.action for entry in own(alice)] == ["signed_in", "signed_out", "signed_in"]
    assert (own(alice)[2].after or {})["new_browser"] is False
    assert all(isinstance(checking.check(chain), checking.Whole) for chain in AuditChain.objects.all())


def test_a_refused_sign_in_is_nobodys_deed_and_no_teams_business(client: Client, alice: User, team: Team) -> None:
    sign_in(client, "guessed")
    (entry,) = own(alice)
    assert (entry.action, entry.actor, entry.actor_name) == ("sign_in.refused", None, "")
    assert (entry.address, (entry.after or {})["by"]) == ("192.0.2.7", "password")
    assert of_team(team) == []


def test_a_try_at_no_account_keeps_nothing_that_was_typed(client: Client, db: None) -> None:
    sign_in(client, email="my.secret@example.com")
    entry = AuditEntry.objects.get()
    assert (entry.chain.kind, entry.action, entry.subject) == (
        "installation",
        "sign_in.refused",
        "nobody of this address",
    )
    assert "secret" not in str(entry.after)


def test_the_second_factor_is_named_taken_or_refused(client: Client, alice: User, team: Team) -> None:
    with_app(alice)
    sign_in(client)
    client.post("/accounts/2fa/authenticate/", {"code": "000000"}, **FROM)
    assert [entry.action for entry in own(alice)] == ["sign_in.refused"]
    assert (own(alice)[0].after or {})["by"] == "authenticator app"
    client.post("/accounts/2fa/authenticate/", {"code": code_of_the_app()}, **FROM)
    assert (own(alice)[-1].after or {})["by"] == ["password", "authenticator app"]


def test_a_new_password_is_told_and_the_sessions_it_ends(alice: User, team: Team) -> None:
    here, there = Client(), Client()
    for browser in (here, there):
        sign_in(browser)
    new = "a keel of another colour"
    here.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert {"password.changed", "sessions.ended"} <= {entry.action for entry in own(alice)}
    assert "member.password.changed" in {entry.action for entry in of_team(team)}
    assert new not in str([entry.after for entry in AuditEntry.objects.all()])


def test_other_browsers_that_are_ended_are_counted(alice: User, team: Team) -> None:
    here, there = Client(), Client()
    for browser in (here, there):
        sign_in(browser)
    here.post("/accounts/sessions/")
    assert [(entry.action, entry.after) for entry in own(alice)][-1] == ("sessions.ended", {"sessions": 1})


def test_a_proof_is_written_down_taken_or_refused(client: Client, alice: User, team: Team) -> None:
    sign_in(client)
    client.post("/accounts/reauthenticate/", {"password": "guessed"})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert [entry.action for entry in own(alice)][1:] == ["proof.refused", "proof.accepted"]


def test_recovery_codes_that_are_shown_are_written_down_and_not_what_they_are(client: Client, alice: User) -> None:
    with_app(alice)
    codes = RecoveryCodes.activate(alice).get_unused_codes()
    sign_in(client)
    client.post("/accounts/2fa/authenticate/", {"code": code_of_the_app()})
    prove(client)
    assert codes[0] in client.get("/accounts/2fa/recovery-codes/").text
    client.get("/accounts/2fa/recovery-codes/download/")
    assert [entry.action for entry in own(alice)][-2:] == ["recovery_codes.shown"] * 2
    assert not any(code in str([entry.after for entry in own(alice)]) for code in codes)


def test_a_second_factor_that_goes_is_told_to_the_teams(client: Client, alice: User, team: Team) -> None:
    with_app(alice)
    sign_in(client)
    client.post("/accounts/2fa/authenticate/", {"code": code_of_the_app()})
    prove(client)
    client.post("/accounts/2fa/totp/deactivate/")
    assert "second_factor.removed" in [entry.action for entry in own(alice)]
    assert of_team(team)[-1].after == {"factor": "authenticator app"}


def test_an_address_that_is_added_and_removed_is_named(client: Client, alice: User) -> None:
    sign_in(client)
    prove(client)
    client.post("/accounts/email/", {"action_add": "", "email": "alice2@example.com"})
    client.post("/accounts/email/", {"action_remove": "", "email": "alice2@example.com"})
    told = [(entry.action, entry.subject) for entry in own(alice)][1:]
    assert told == [("address.added", "alice2@example.com"), ("address.removed", "alice2@example.com")]


def test_a_sign_up_stands_first(client: Client, db: None) -> None:
    client.post("/accounts/signup/", {"email": "dana@example.com", "password1": "a keel of another colour"})
    dana = User.objects.get()
    assert own(dana)[0].action == "signed_up"


def test_what_an_operator_changes_of_a_person_is_written_down(client: Client, alice: User, bob: User) -> None:
    operator = with_app(User.objects.create_superuser("operator@example.com", PASSWORD))
    sign_in(client, email=operator.email)
    client.post("/accounts/2fa/authenticate/", {"code": code_of_the_app()})
    client.post(f"/admin/accounts/user/{bob.pk}/change/", {"is_active": "on", "is_staff": "on"})
    entry = AuditEntry.objects.get(action="account.rights_changed")
    assert (entry.chain.person, entry.actor) == (bob, operator)
    assert ((entry.before or {})["is_staff"], (entry.after or {})["is_staff"]) == (False, True)


def test_a_stop_an_invitation_and_a_role_stand_in_the_teams_record(
    client: Client, alice: User, bob: User, team: Team
) -> None:
    sign_in(client)
    client.post(f"/teams/{team.code}/settings/invite/", {"role": "viewer"})
    client.post(f"/teams/{team.code}/settings/members/role/", {"email": bob.email, "role": Role.TRADER})
    actions = AuditEntry.objects.filter(team=team).order_by("number").values_list("action", flat=True)
    assert list(actions)[-2:] == ["team.invited", "team.role_changed"]
