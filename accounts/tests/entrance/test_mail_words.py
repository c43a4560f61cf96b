"""Every mail as its reader sees it: their own clock, one link, a subject that says what happened."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from allauth.account.adapter import get_adapter
from allauth.core.context import request_context
from django.conf import settings as installation
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts import zones
from accounts.entrance import mails
from accounts.models import User

pytestmark = pytest.mark.django_db
TEMPLATES = Path(installation.BASE_DIR) / "templates"
AT = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
MAILS = sorted(
    str(file.relative_to(TEMPLATES)).removesuffix("_message.txt")
    for room in ("account", "mfa")
    for file in (TEMPLATES / room / "email").glob("*_message.txt")
    if file.name != "base_message.txt"
)
FACTS = {
    "timestamp": AT,
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "email": "alice@example.com",
    "deleted_email": "old@example.com",
    "from_email": "old@example.com",
    "to_email": "new@example.com",
    "code": "ABC123",
    "key": "MQ",
    "because": "a new password was chosen",
    "ended": 2,
    "tokens": [("Reports", "Alice's team")],
    "by": "bob@example.com",
    "activate_url": "https://elsewhere.example/accounts/confirm-email/MQ/",
    "password_reset_url": "https://elsewhere.example/accounts/password/reset/key/1-a/",
    "signup_url": "https://elsewhere.example/accounts/signup/",
    "team": SimpleNamespace(name="Alice's team", code="7ff0bd0f-54a2-4ba2-a9d5-e1d9b4b4d5a1", removed_at=AT),
}


def send(name: str, to: str, facts: dict[str, Any], *, by: User | None = None) -> None:
    request: HttpRequest = RequestFactory().get("/")
    request.user = by  # type: ignore[assignment]
    with request_context(request):
        get_adapter(request).send_mail(name, to, facts)


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_reads_well(alice: User, mailoutbox: list[EmailMessage], settings: Any, name: str) -> None:
    settings.PUBLIC_URL = "https://halyard.example"
    send(name, alice.email, {**FACTS, **({"code": ""} if "confirmation" in name else {})})
    [mail] = mailoutbox
    body = str(mail.body)
    assert re.fullmatch(r"Halyard: [A-Z][^.\n]{9,60}", str(mail.subject))
    assert len(re.findall(r"https?://", body)) <= 1
    assert "elsewhere.example" not in body
    assert "\n\n\n" not in body
    assert not re.search(r"&\w+;|\{|None|  ", body)
    assert body.rstrip().endswith("Halyard at halyard.example")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("account/email/email_confirmation", "Confirm this address"),
        ("account/email/password_reset_key", "Choose a new password"),
        ("account/email/password_changed", "Choose a new password"),
        ("account/email/unknown_account", "Sign up"),
        ("account/email/team_closed", "Open the team&#x27;s settings"),
    ],
)
def test_the_page_of_a_mail_has_a_button_that_says_what_it_does(
    alice: User, mailoutbox: list[EmailMessage], settings: Any, name: str, label: str
) -> None:
    settings.PUBLIC_URL = "https://halyard.example"
    send(name, alice.email, {**FACTS, "code": ""})
    page = str(mailoutbox[0].alternatives[0][0])  # type: ignore[attr-defined]
    [link] = re.findall(r"https://halyard\.example/\S+", str(mailoutbox[0].body))
    assert re.findall(r'<a href="([^"]+)"\s+class="fill"[^>]*>([^<]+)</a>', page) == [(link, label)]


def parts(text: str) -> list[tuple[str, tuple[str, ...] | str]]:
    return [(part.kind, part.lines or f"{part.label} {part.url}".strip()) for part in mails.parts(text)]


def test_a_page_takes_its_button_and_its_links_from_the_lines_of_the_text(settings: Any) -> None:
    settings.PUBLIC_URL = "https://halyard.example"
    assert parts(
        "Two lines\nof it.\n\nSee the order:\nhttps://halyard.example/a/\n\nOr so:\nhttps://halyard.example/b/"
    ) == [
        ("text", ("Two lines", "of it.")),
        ("button", "See the order https://halyard.example/a/"),
        ("text", ("Or so:",)),
        ("link", "https://halyard.example/b/"),
    ]
    assert parts("Type it:\n\nABCD-1234\n\nHalyard at halyard.example") == [
        ("text", ("Type it:",)),
        ("code", ("ABCD-1234",)),
        ("foot", ("Halyard at halyard.example",)),
    ]


@pytest.mark.parametrize(
    "line", ["https://halyard.example.evil.example/x", "https://evil.example/", "Go to https://halyard.example/x"]
)
def test_no_line_but_an_address_of_ours_is_a_link(settings: Any, line: str) -> None:
    settings.PUBLIC_URL = "https://halyard.example"
    assert parts(line) == [("text", (line,))]


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("UTC", "2026-11-20 02:30 UTC"),
        ("America/New_York", "2026-11-19 21:30 in New York (2026-11-20 02:30 UTC)"),
        ("Asia/Kolkata", "2026-11-20 08:00 in Kolkata (02:30 UTC)"),
        ("Nowhere/Land", "2026-11-20 02:30 UTC"),
    ],
)
def test_a_notice_names_its_moment_on_the_readers_clock(
    alice: User, mailoutbox: list[EmailMessage], zone: str, words: str
) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone=zone)
    with timezone.override(ZoneInfo("Europe/Zurich")):
        send("account/email/password_changed", alice.email, FACTS)
    assert f"It was done at {words}, from 203.0.113.7 with" in str(mailoutbox[0].body)


def test_the_browser_of_somebody_else_sets_no_clock(alice: User, bob: User, mailoutbox: list[EmailMessage]) -> None:
    with timezone.override(ZoneInfo("Asia/Kolkata")):
        send("account/email/password_changed", alice.email, FACTS, by=bob)
        send("account/email/password_changed", bob.email, FACTS, by=bob)
    assert [("in Kolkata" in str(mail.body)) for mail in mailoutbox] == [False, True]


def test_a_change_of_the_password_is_told_at_its_own_time(
    client: Client, alice: User, mailoutbox: list[EmailMessage]
) -> None:
    User.objects.filter(pk=alice.pk).update(time_zone="America/New_York")
    client.post("/accounts/login/", {"login": alice.email, "password": "alice's password"})
    client.post("/accounts/reauthenticate/", {"password": "alice's password"})
    new = {"password1": "a sail of another colour", "password2": "a sail of another colour"}
    before = timezone.now()
    client.post("/accounts/password/change/", {"oldpassword": "alice's password", **new})
    zone = ZoneInfo("America/New_York")
    moments = {zones.spelled(moment, zone) for moment in (before, timezone.now())}
    assert any(f"It was done at {moment}, from 127.0.0.1" in str(mailoutbox[0].body) for moment in moments)
