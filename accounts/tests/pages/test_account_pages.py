"""Every page, message and mail of the sign-in library: ours by look and by word."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import allauth
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import get_template
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db
SHIPPED = Path(allauth.__file__).parent / "templates"
OURS = Path(settings.BASE_DIR) / "templates"
# They only pass a layout on, which is ours.
PASS_ON = {
    *(
        f"account/base_{name}.html"
        for name in ("entrance", "manage", "manage_email", "manage_password", "manage_phone")
    ),
    *(f"mfa/{name}.html" for name in ("base_entrance", "base_manage")),
    *(f"mfa/{name}/base.html" for name in ("recovery_codes", "totp", "webauthn")),
    "usersessions/base_manage.html",
    "mfa/webauthn/snippets/login_script.html",
}
# How the library talks where nobody has said it better.
ITS_WORDS = re.compile(
    r"[Ss]uccessful|[Pp]lease|Email|Sign Up|Sign In|Sign Out|Re-send|Reauthenticate|Verif|Confirm Access|"
    r"Two-Factor|Deactivate|Make Primary|Bad Token|placeholder=|We are sorry|associated with your account"
)


@pytest.fixture(autouse=True)
def limits_of_this_test(settings: Any) -> None:
    """The library counts tries in the cache, which other tests use as well."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": str(uuid.uuid4())}
    }


def shipped() -> list[str]:
    rooms = ("account", "mfa", "usersessions")
    return sorted(str(file.relative_to(SHIPPED)) for room in rooms for file in (SHIPPED / room).rglob("*.*"))


@pytest.mark.parametrize("name", [name for name in shipped() if name not in PASS_ON])
def test_each_template_of_the_library_has_ours_in_its_place(name: str) -> None:
    text = (OURS / name).read_text()
    assert not ITS_WORDS.search(re.sub(r"\{[%{].*?[%}]\}", "", text)), name
    assert "{% trans" not in text
    assert "{% blocktrans" not in text
    get_template(name)


@pytest.mark.parametrize(
    "path", ["signup", "login", "password/reset", "password/reset/done", "inactive", "confirm-email"]
)
def test_the_pages_of_strangers_speak_our_words(client: Client, path: str) -> None:
    looks_like_ours(client.get(f"/accounts/{path}/").text)


@pytest.mark.parametrize(
    "path",
    ["email", "password/change", "logout", "reauthenticate", "2fa", "2fa/totp/activate", "2fa/recovery-codes/generate"],
)
def test_the_pages_of_members_speak_our_words(client: Client, alice: User, path: str) -> None:
    sign_in(client, alice)
    page = client.get(f"/accounts/{path}/")
    assert page.status_code == 200
    looks_like_ours(page.text)


def looks_like_ours(html: str) -> None:
    assert "css/entrance.css" in html
    text = re.sub(r"<head>.*?</head>|<script.*?</script>", "", html, flags=re.DOTALL)
    assert not (slip := ITS_WORDS.search(text)), text[slip.start() - 80 : slip.end() + 80]


def sign_in(client: Client, user: User) -> None:
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    name, _, _ = user.email.partition("@")
    client.post("/accounts/login/", {"login": user.email, "password": f"{name}'s password"})
    assert "This is not your password." in client.post("/accounts/reauthenticate/", {"password": "a wrong one"}).text
    client.post("/accounts/reauthenticate/", {"password": f"{name}'s password"})


def test_the_landing_page_and_the_sign_up_page_show_one_form(client: Client) -> None:
    forms = []
    for path in ("/", "/accounts/signup/"):
        form = re.search(r'<form class="form".*?</form>', client.get(path).text, re.DOTALL)
        assert form is not None
        forms.append(re.sub(r'value="\w{40,}"', "", form[0]))
    assert forms[0] == forms[1]
    assert "At least 8 characters, not only digits" in forms[0]


@pytest.mark.parametrize(
    ("email", "password", "sentence"),
    [
        ("dora", "a sail of another colour", "This is not an e-mail address. It looks like name@example.com."),
        ("", "a sail of another colour", "Type an e-mail address."),
        ("dora@example.com", "", "Choose a password."),
        ("dora@example.com", "short", "Choose one with at least 8 characters."),
        ("dora@example.com", "12345678", "Choose one that nobody would try first."),
        ("dora@example.com", "83736251947", "Add letters or other signs."),
        ("dora@example.com", "dora@example", "This password is too much like your e-mail address."),
        ("alice@example.com", "a sail of another colour", "Somebody is signed up with this address already."),
    ],
)
def test_sign_up_says_what_is_wrong_and_what_to_do(
    client: Client, alice: User, email: str, password: str, sentence: str
) -> None:
    page = client.post("/accounts/signup/", {"email": email, "password1": password})
    assert sentence in page.text
    assert User.objects.count() == 1


def test_a_wrong_password_gets_one_sentence_whoever_it_is(client: Client, alice: User) -> None:
    for address in ("alice@example.com", "nobody@example.com"):
        page = client.post("/accounts/login/", {"login": address, "password": "a wrong one"})
        assert "The e-mail address or the password is wrong. Type both again, or choose a new password." in page.text


def test_changing_the_password_says_which_field_is_wrong(client: Client, alice: User) -> None:
    sign_in(client, alice)
    wrong = {"oldpassword": "not hers", "password1": "a sail of another colour", "password2": "another sail"}
    page = client.post("/accounts/password/change/", wrong)
    assert "This is not the password you have now." in page.text
    assert "The two new passwords differ. Type the same one twice." in page.text
    right = {"oldpassword": "alice's password", "password1": "a sail of another colour"}
    page = client.post("/accounts/password/change/", {**right, "password2": right["password1"]}, follow=True)
    assert "Your password is changed." in page.text


def test_each_address_has_buttons_of_its_own(client: Client, alice: User, mailoutbox: list[EmailMessage]) -> None:
    sign_in(client, alice)
    page = client.post("/accounts/email/", {"action_add": "1", "email": "alice@other.example"}, follow=True)
    assert "A link is on its way to alice@other.example." in page.text
    page = client.post("/accounts/email/", {"action_send": "", "email": "alice@other.example"}, follow=True)
    assert "A link went there less than three minutes ago." in page.text
    page = client.post("/accounts/email/", {"action_primary": "", "email": "alice@other.example"}, follow=True)
    assert "Confirm this address before you make it the main one" in page.text
    page = client.post("/accounts/email/", {"action_remove": "", "email": alice.email}, follow=True)
    assert "alice@example.com is your main address." in page.text
    page = client.post("/accounts/email/", {"action_remove": "", "email": "gone@other.example"}, follow=True)
    assert "This address is not on your list any more." in page.text
    link = next(line for line in mailoutbox[0].body.splitlines() if "/confirm-email/" in line)
    looks_like_ours(client.get(link).text)
    assert "alice@other.example is confirmed." in client.post(link, follow=True).text
    # Opened once more, it is no older than a minute ago: the page says that it was used.
    assert "It was used already, is older than three days" in client.get(link).text
    assert "This link opens nothing any more" in client.get("/accounts/confirm-email/broken/").text


def test_whoever_was_made_by_a_command_has_a_main_address(client: Client) -> None:
    operator = User.objects.create_superuser("operator@example.com", "the operator's password")
    client.post("/accounts/login/", {"login": operator.email, "password": "the operator's password"})
    assert "main address: mails go here" in client.get("/accounts/email/").text
    asked = client.post("/accounts/email/", {"action_remove": "", "email": operator.email})
    assert asked.headers["Location"].startswith("/accounts/reauthenticate/")
    page = client.post(asked.headers["Location"], {"password": "the operator's password"}, follow=True)
    assert "operator@example.com is your main address." in page.text


def test_an_address_that_is_none_is_refused_in_our_words(client: Client, alice: User) -> None:
    sign_in(client, alice)
    assert (
        "This is not an e-mail address." in client.post("/accounts/email/", {"action_add": "1", "email": "al ice"}).text
    )
    page = client.post("/accounts/email/", {"action_add": "1", "email": alice.email})
    assert "This address is on your list already." in page.text


@pytest.mark.django_db(transaction=True)
def test_the_second_step_is_set_up_asked_for_and_switched_off_in_our_words(client: Client, alice: User) -> None:
    sign_in(client, alice)
    page = client.get("/accounts/2fa/totp/activate/")
    secret = re.search(r'id="authenticator_secret">(\w+)<', page.text)
    assert secret is not None
    page = client.post("/accounts/2fa/totp/activate/", {"code": "000000"})
    assert "This code is wrong or too old." in page.text
    page = client.post("/accounts/2fa/totp/activate/", {"code": code_now(secret[1])}, follow=True)
    looks_like_ours(page.text)
    assert "Two-step sign-in is on." in page.text
    for path in ("2fa", "2fa/recovery-codes", "2fa/totp/deactivate", "2fa/recovery-codes/generate"):
        looks_like_ours(client.get(f"/accounts/{path}/").text)
    assert "Halyard recovery codes of alice@example.com." in client.get("/accounts/2fa/recovery-codes/download/").text
    client.post("/accounts/logout/")
    page = client.post("/accounts/login/", {"login": alice.email, "password": "alice's password"}, follow=True)
    assert "<h1>Second step</h1>" in page.text
    looks_like_ours(page.text)
    assert "This code is wrong or too old." in client.post("/accounts/2fa/authenticate/", {"code": "1"}).text


def code_now(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


def test_an_unconfirmed_address_cannot_lock_its_owner_out(client: Client, alice: User) -> None:
    sign_in(client, alice)
    EmailAddress.objects.update(verified=False)
    page = client.get("/accounts/2fa/totp/activate/", follow=True)
    assert "Confirm your e-mail address first, so that nobody but you can get in with it." in page.text


def test_too_many_tries_get_a_page_of_ours(client: Client, alice: User, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"reset_password": "1/m/key"}
    for _ in range(2):
        page = client.post("/accounts/password/reset/", {"email": "limits@example.com"})
    assert page.status_code == 429
    looks_like_ours(page.text)


def test_every_mail_is_ours(client: Client, alice: User, mailoutbox: list[EmailMessage], settings: Any) -> None:
    settings.ACCOUNT_EMAIL_NOTIFICATIONS = True
    sign_in(client, alice)
    new = {"password1": "a sail of another colour", "password2": "a sail of another colour"}
    client.post("/accounts/password/change/", {"oldpassword": "alice's password", **new})
    client.post("/accounts/password/reset/", {"email": "nobody@example.com"})
    client.post("/accounts/email/", {"action_add": "1", "email": "alice@other.example"})
    subjects = [mail.subject for mail in mailoutbox]
    assert subjects == [
        "Halyard: Your password has changed",
        "Halyard: Nobody is signed up with this address",
        "Halyard: Confirm your e-mail address",
    ]
    for mail in mailoutbox:
        assert not ITS_WORDS.search(str(mail.body)), mail.body
        assert str(mail.body).rstrip().endswith(f"Halyard at {urlsplit(settings.PUBLIC_URL).netloc}")
    assert "from 127.0.0.1" in mailoutbox[0].body
