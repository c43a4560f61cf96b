"""Somebody who signed up with another's address keeps nothing once its owner comes; and sign-up names nobody."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import ApiToken, Membership, Role, Team, User
from accounts.tests.entrance.factors import with_app

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("limits_of_this_test")]
PASSWORD = "a sail of another colour"
NEW = {"password1": "a keel of another colour", "password2": "a keel of another colour"}


@pytest.fixture
def limits_of_this_test(settings: Any) -> None:
    """The library counts tries in the cache, which other tests use as well."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "reclaim"}}
    from django.core.cache import cache

    cache.clear()


@pytest.fixture
def mandatory(settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


@pytest.fixture
def squatter(settings: Any) -> Client:
    """A stranger's browser, signed in under Vera's address, who has never seen it; with a token and a way back."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    client = Client()
    client.post("/accounts/signup/", {"email": "vera@example.com", "password1": PASSWORD})
    user = User.objects.get()
    teams.issue_token(team=user.teams.get(), user=user, name="squat", now=timezone.now())
    EmailAddress.objects.create(user=user, email="squatter@example.com", verified=True)
    assert client.get("/you/").status_code == 200
    return client


def link_in(mails: list[EmailMessage], part: str) -> str:
    for mail in reversed(mails):
        for line in str(mail.body).splitlines():
            if part in line:
                return line.strip().partition("//")[2].partition("/")[2].join(["/", ""])
    raise AssertionError(f"no mail has a link with {part}")


def choose_new_password(client: Client, link: str) -> None:
    page = client.get(link, follow=True)
    client.post(page.request["PATH_INFO"], NEW)


def has_nothing_left(squatter: Client) -> None:
    assert squatter.get("/you/").status_code == 302
    assert not ApiToken.objects.filter(revoked_at__isnull=True).exists()
    assert not UserSession.objects.exists()


def test_a_reset_ends_what_a_squatter_opened(squatter: Client, mailoutbox: list[EmailMessage]) -> None:
    Client().post("/accounts/password/reset/", {"email": "vera@example.com"})
    choose_new_password(Client(), link_in(mailoutbox, "/password/reset/key/"))
    has_nothing_left(squatter)
    mail = next(mail for mail in mailoutbox if mail.subject == "Halyard: Signed out everywhere")
    assert mail.to == ["vera@example.com"]
    assert "- squat (vera's team)" in str(mail.body)


def test_the_first_confirmation_ends_what_a_squatter_opened(squatter: Client, mailoutbox: list[EmailMessage]) -> None:
    with_app(User.objects.get())
    EmailAddress.objects.filter(email="vera@example.com").update(verified=False)
    Client().post(link_in(mailoutbox, "/confirm-email/"))
    assert EmailAddress.objects.get().email == "vera@example.com"
    assert EmailAddress.objects.get().verified
    assert not Authenticator.objects.exists()
    has_nothing_left(squatter)
    assert any("confirmed for the first time" in str(mail.body) for mail in mailoutbox)


def test_whoever_confirms_in_their_own_browser_stays_signed_in(client: Client, mailoutbox: list[EmailMessage]) -> None:
    client.post("/accounts/signup/", {"email": "dora@example.com", "password1": PASSWORD})
    client.post(link_in(mailoutbox, "/confirm-email/"))
    assert client.get("/you/").status_code == 200
    # Nothing ended, so nobody is written to.
    assert not any("Signed out" in mail.subject for mail in mailoutbox)


def test_another_main_address_ends_tokens_and_other_browsers(
    alice: User, team: Team, mailoutbox: list[EmailMessage]
) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    EmailAddress.objects.create(user=alice, email="alice@other.example", verified=True)
    teams.issue_token(team=team, user=alice, name="laptop", now=timezone.now())
    other, here = Client(), Client()
    for browser in (other, here):
        browser.post("/accounts/login/", {"login": alice.email, "password": "alice's password"})
    page = here.post("/accounts/email/", {"action_primary": "", "email": "alice@other.example"})
    if "reauthenticate" in page.headers.get("Location", ""):
        here.post(page.headers["Location"], {"password": "alice's password"})
    alice.refresh_from_db()
    assert alice.email == "alice@other.example"
    assert other.get("/you/").status_code == 302
    assert here.get("/you/").status_code == 200
    assert ApiToken.objects.get().revoked_at is not None
    assert any(mail.subject == "Halyard: Signed out everywhere" for mail in mailoutbox)


def test_a_further_address_of_a_proved_account_ends_nothing(
    alice: User, team: Team, mailoutbox: list[EmailMessage]
) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    teams.issue_token(team=team, user=alice, name="laptop", now=timezone.now())
    client = Client()
    client.force_login(alice)
    second = EmailAddress.objects.create(user=alice, email="alice@other.example")
    client.post("/accounts/reauthenticate/", {"password": "alice's password"})
    client.post("/accounts/email/", {"action_send": "", "email": "alice@other.example"})
    client.post(link_in(mailoutbox, "/confirm-email/"))
    second.refresh_from_db()
    assert second.verified
    assert ApiToken.objects.get().revoked_at is None


def test_a_changed_password_signs_other_browsers_out_and_leaves_tokens(alice: User, team: Team) -> None:
    teams.issue_token(team=team, user=alice, name="laptop", now=timezone.now())
    other, here = Client(), Client()
    for browser in (other, here):
        browser.post("/accounts/login/", {"login": alice.email, "password": "alice's password"})
    page = here.post("/accounts/password/change/", {"oldpassword": "alice's password", **NEW})
    if "reauthenticate" in page.headers.get("Location", ""):
        here.post(page.headers["Location"], {"password": "alice's password"})
        here.post("/accounts/password/change/", {"oldpassword": "alice's password", **NEW})
    assert here.get("/you/").status_code == 200
    assert UserSession.objects.filter(user=alice).count() <= 1
    assert other.get("/you/").status_code == 302
    assert ApiToken.objects.get().revoked_at is None


class Hashes:
    """How often a password was hashed: what takes the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        encode, verify = Argon2PasswordHasher.encode, Argon2PasswordHasher.verify

        def counted_encode(hasher: Any, *args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return encode(hasher, *args, **kwargs)

        def counted_verify(hasher: Any, *args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return verify(hasher, *args, **kwargs)

        monkeypatch.setattr(Argon2PasswordHasher, "encode", counted_encode)
        monkeypatch.setattr(Argon2PasswordHasher, "verify", counted_verify)

    def of(self, path: str, form: dict[str, str], client: Client | None = None) -> tuple[Any, int, Client]:
        client = client or Client()
        self.count = 0
        answer = client.post(path, form)
        return answer, self.count, client


def plain(html: str, *addresses: str) -> str:
    """The page without what differs from one request to the next."""
    text = re.sub(r"[\w-]{60,}|\d{4}-\d\d-\d\d[T ][\d:.+]+", "", html)
    for address in addresses:
        text = text.replace(address, "ADDRESS")
    return text


def assert_alike(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert one[-1].splitlines() == other[-1].splitlines()
    assert one == other


@pytest.mark.usefixtures("mandatory")
def test_sign_up_answers_alike_for_everybody(
    alice: User, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = Hashes(monkeypatch)
    seen = []
    for address in ("alice@example.com", "nobody@example.com"):
        answer, count, client = hashes.of("/accounts/signup/", {"email": address, "password1": PASSWORD})
        page = client.get(answer.headers["Location"])
        cookies = {name for name, cookie in client.cookies.items() if cookie.value}
        seen.append((answer.status_code, answer.headers["Location"], count, cookies, plain(page.text, address)))
    assert_alike(*seen)
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [
        (["alice@example.com"], "Halyard: You are signed up already"),
        (["nobody@example.com"], "Halyard: Confirm your e-mail address"),
    ]


@pytest.mark.usefixtures("mandatory")
def test_the_invited_learn_nothing_either(alice: User, bob: User, team: Team) -> None:
    seen = []
    for address in ("bob@example.com", "nobody@example.com"):
        token = teams.invite(team=team, actor=alice, role=Role.VIEWER, note="", now=timezone.now())
        client = Client()
        client.get(f"/invitations/{token}/")
        answer = client.post("/accounts/signup/", {"email": address, "password1": PASSWORD})
        page = client.get(f"/invitations/{token}/")
        seen.append((answer.status_code, answer.headers["Location"], page.status_code, plain(page.text, token)))
    assert_alike(*seen)
    assert not Membership.objects.filter(user__email="nobody@example.com").exists()


@pytest.mark.usefixtures("mandatory")
def test_an_invitation_waits_for_the_confirmation(
    client: Client, alice: User, team: Team, mailoutbox: list[EmailMessage]
) -> None:
    token = teams.invite(team=team, actor=alice, role=Role.TRADER, note="", now=timezone.now())
    client.get(f"/invitations/{token}/")
    client.post("/accounts/signup/", {"email": "dora@example.com", "password1": PASSWORD})
    assert client.get("/you/").status_code == 302
    assert not Membership.objects.filter(user__email="dora@example.com").exists()
    client.post(link_in(mailoutbox, "/confirm-email/"))
    client.post("/accounts/login/", {"login": "dora@example.com", "password": PASSWORD})
    assert client.get("/").headers["Location"] == f"/invitations/{token}/"
    client.post(f"/invitations/{token}/")
    assert team.memberships.get(user__email="dora@example.com").role == Role.TRADER


@pytest.mark.usefixtures("mandatory")
def test_nobody_signs_in_before_the_address_is_confirmed(client: Client, mailoutbox: list[EmailMessage]) -> None:
    client.post("/accounts/signup/", {"email": "vera@example.com", "password1": PASSWORD})
    client.post("/accounts/login/", {"login": "vera@example.com", "password": PASSWORD})
    assert client.get("/you/").status_code == 302
    client.post(link_in(mailoutbox, "/confirm-email/"))
    client.post("/accounts/login/", {"login": "vera@example.com", "password": PASSWORD})
    assert client.get("/you/").status_code == 200


@pytest.mark.parametrize("verification", ["mandatory", "optional"])
def test_forms_for_a_new_password_and_for_signing_in_answer_alike(
    alice: User, monkeypatch: pytest.MonkeyPatch, settings: Any, verification: str
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = verification
    hashes = Hashes(monkeypatch)
    for path, form in (
        ("/accounts/password/reset/", {}),
        ("/accounts/login/", {"password": "guess"}),
    ):
        key = "login" if "password" in form else "email"
        seen = []
        for address in ("alice@example.com", "nobody@example.com"):
            answer, count, client = hashes.of(path, {key: address, **form})
            page = client.get(answer.headers["Location"]) if answer.status_code == 302 else answer
            seen.append((answer.status_code, count, plain(page.text, address)))
        assert_alike(*seen)


@pytest.mark.parametrize("verification", ["mandatory", "optional"])
def test_the_form_for_another_address_answers_alike(
    alice: User, bob: User, mailoutbox: list[EmailMessage], settings: Any, verification: str
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = verification
    EmailAddress.objects.create(user=bob, email=bob.email, verified=True, primary=True)
    seen = []
    for address in ("bob@example.com", "nobody@example.com"):
        EmailAddress.objects.filter(user=alice).delete()
        EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
        client = Client()
        client.post("/accounts/login/", {"login": alice.email, "password": "alice's password"})
        client.post("/accounts/reauthenticate/", {"password": "alice's password"})
        page = client.post("/accounts/email/", {"action_add": "", "email": address}, follow=True)
        seen.append((page.status_code, plain(page.text, address)))
    assert_alike(*seen)
    told = [(mail.to, mail.subject) for mail in mailoutbox][-2:]
    assert told == [
        (["bob@example.com"], "Halyard: Your address stays with your account"),
        (["nobody@example.com"], "Halyard: Confirm your e-mail address"),
    ]
