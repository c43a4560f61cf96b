"""The page of mails that stay on this machine: who sees it, and that there is none where mails are sent."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.entrance import outbox
from accounts.models import Team, User

pytestmark = pytest.mark.django_db
HERE: dict[str, Any] = {"HTTP_HOST": "localhost:8000", "REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def mails_stay(settings: Any, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = "accounts.entrance.outbox.Backend"
    settings.MAIL_FOLDER = tmp_path / "mails"
    settings.SELF_CONTAINED = True
    settings.PUBLIC_URL = "http://localhost:8000"
    settings.ALLOWED_HOSTS = ["*"]
    return tmp_path / "mails"


def test_a_forgotten_password_is_replaced_without_a_mail_server(
    client: Client, alice: User, mails_stay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = client.post("/accounts/password/reset/", {"email": alice.email}, follow=True, **HERE)
    assert "mails are printed in the terminal that runs Halyard" in page.text
    assert 'href="/mails/"' in page.text
    page = client.get("/mails/", **HERE)
    assert "Halyard: Choose a new password" in page.text
    assert "To alice@example.com" in " ".join(page.text.split())
    assert "/accounts/password/reset/key/" in page.text
    assert "no-store" in page.headers["Cache-Control"]
    printed = capsys.readouterr().out
    assert "Subject: Halyard: Choose a new password" in printed
    assert "<html" not in printed


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"REMOTE_ADDR": "192.168.1.7"},
        {"REMOTE_ADDR": ""},
        {"HTTP_HOST": "halyard.example"},
        {"HTTP_HOST": "127.0.0.1.rebound.example"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_REAL_IP": "10.0.0.9"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
    ],
)
def test_nobody_elsewhere_reads_the_mails(
    client: Client, alice: User, team: Team, mails_stay: Path, elsewhere: dict[str, str]
) -> None:
    mail.send_mail("Secret", "a link", None, [alice.email])
    request: dict[str, Any] = {**HERE, **elsewhere}
    assert client.get("/mails/", **request).status_code == 404
    client.force_login(alice)
    assert client.get("/mails/", **request).status_code == 404
    assert 'href="/mails/"' not in client.get("/you/", **request).text


def test_the_operator_reads_them_from_anywhere(client: Client, mails_stay: Path) -> None:
    operator = User.objects.create_superuser("operator@example.com", "the operator's password")
    client.force_login(operator)
    assert client.get("/mails/", HTTP_HOST="halyard.example", REMOTE_ADDR="192.0.2.7").status_code == 200
    staff = User.objects.create_user("staff@example.com", "the staff's password", is_staff=True)
    client.force_login(staff)
    assert client.get("/mails/", HTTP_HOST="halyard.example", REMOTE_ADDR="192.0.2.7").status_code == 404


@pytest.mark.parametrize(
    "changes",
    [{"MAIL_FOLDER": None}, {"SELF_CONTAINED": False}, {"PUBLIC_URL": "https://halyard.example"}],
    ids=["mails are sent", "not somebody's own machine", "a public address"],
)
def test_there_is_no_such_page_elsewhere(
    client: Client, mails_stay: Path, settings: Any, changes: dict[str, Any]
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    assert client.get("/mails/", **HERE).status_code == 404


def test_where_mails_are_sent_no_page_speaks_of_a_terminal(client: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert "terminal" not in client.get("/accounts/password/reset/").text


def test_the_files_are_ours_alone_and_the_oldest_go(mails_stay: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "KEPT", 3)
    for number in range(5):
        mail.send_mail(f"Number {number}", "Grüße <b>", None, ["dora@example.com"])
    files = sorted(mails_stay.iterdir())
    assert [mail.subject for mail in outbox.mails()] == ["Number 4", "Number 3", "Number 2"]
    assert outbox.mails()[0].body == "Grüße <b>"
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(mails_stay.stat().st_mode) == 0o700


def test_a_mail_cannot_put_markup_on_the_page(client: Client, mails_stay: Path) -> None:
    mail.send_mail("<script>1</script>", "<img src=x onerror=1>", None, ["dora@example.com"])
    page = client.get("/mails/", **HERE).text
    assert "<script>1" not in page
    assert "<img src=x" not in page
