"""Where weaknesses are reported, what browsers refuse, and texts that no database takes."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from accounts import tasks, teams
from accounts.models import Role, Team, User
from accounts.tests.api.client import Api


@pytest.fixture
def fresh_counts(settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": f"test-{uuid.uuid4()}"}}


def test_it_says_whom_to_write_to(settings: Any) -> None:
    settings.SECURITY_CONTACT = "mailto:security@halyard.example"
    settings.PUBLIC_URL = "https://halyard.example"
    answer = Client().get("/.well-known/security.txt")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"] == "mailto:security@halyard.example"
    assert fields["Canonical"] == "https://halyard.example/.well-known/security.txt"
    expires = datetime.fromisoformat(fields["Expires"])
    assert timedelta(days=170) < expires - datetime.now(UTC) < timedelta(days=366)


def test_it_names_nobody_where_nobody_is_named(settings: Any) -> None:
    settings.SECURITY_CONTACT = ""
    assert Client().get("/.well-known/security.txt").status_code == 404


def report(body: object, address: str = "203.0.113.50") -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client().post("/csp-report", data, content_type="application/csp-report", REMOTE_ADDR=address)


def test_what_a_browser_refused_is_logged_without_secrets_of_its_address(
    caplog: pytest.LogCaptureFixture, fresh_counts: None, servers: None
) -> None:
    refused = {
        "violated-directive": "script-src-elem",
        "blocked-uri": "https://evil.example/x.js?token=1",
        "document-uri": "https://halyard.example/invitations/hidden-token/",
    }
    with caplog.at_level("WARNING", logger="accounts"):
        assert report({"csp-report": refused}).status_code == 204
    assert "script-src-elem" in caplog.text
    assert "https://evil.example/x.js" in caplog.text
    assert "https://halyard.example/invitations" in caplog.text
    assert "hidden-token" not in caplog.text
    assert "token=1" not in caplog.text


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"[" * 2000, 400), (b"not json", 400), (b"[]", 400), (b"x" * 17_000, 413), (b'{"csp-report": 7}', 400)],
)
def test_a_report_that_is_none_costs_nothing(fresh_counts: None, servers: None, body: bytes, status: int) -> None:
    assert report(body).status_code == status


def test_a_report_sent_as_a_form_is_none(fresh_counts: None, servers: None) -> None:
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = Client().post("/csp-report", b"a=b", content_type=kind, REMOTE_ADDR="203.0.113.52")
        assert answer.status_code == 400


def test_reports_are_limited_per_address(fresh_counts: None, servers: None) -> None:
    statuses = [report({"csp-report": {}}).status_code for _ in range(21)]
    assert statuses == [204] * 20 + [429]
    assert report({"csp-report": {}}, "203.0.113.51").status_code == 204


def test_every_page_asks_browsers_to_report() -> None:
    assert "report-uri /csp-report" in Client().get("/.well-known/security.txt").headers["Content-Security-Policy"]


@pytest.mark.parametrize("place", ["orders/?ticker=%00", "orders/?status=a%00", "signals/?action=%00", "orders/?%00=1"])
def test_a_filter_of_the_api_with_a_nul_is_refused_by_name(team: Team, alice: User, place: str) -> None:
    answer: Any = Api(team, alice).client.get(f"/api/v1/{place}")
    assert answer.status_code == 400
    assert answer.json()["code"]


@pytest.mark.parametrize("place", ["orders/?ticker=%00", "signals/?action=%00", "signals/?q=a%00b", "orders/?%00=x"])
def test_a_page_with_a_nul_in_its_address_is_refused(client: Client, team: Team, alice: User, place: str) -> None:
    client.force_login(alice)
    answer = client.get(f"/teams/{team.code}/{place}")
    assert answer.status_code == 400
    assert "It holds a NUL character" in answer.text


def test_so_is_a_form_with_one(client: Client, team: Team, alice: User) -> None:
    client.force_login(alice)
    for form in ({"email": "bob\x00@example.com"}, {"em\x00ail": "x"}):
        assert client.post(f"/teams/{team.code}/settings/members/remove/", form).status_code == 400
    assert Client().post("/accounts/login/", {"login": "a\x00@b.example", "password": "x"}).status_code == 400
    assert Client().get("/invitations/a%00b/").status_code == 400


def test_a_secret_that_is_shown_once_is_kept_by_no_cache(client: Client, team: Team, alice: User) -> None:
    client.force_login(alice)
    pages = {
        "invitation": client.post(f"/teams/{team.code}/settings/invite/", {"role": "viewer", "note": ""}, follow=True),
        "token": client.post(f"/teams/{team.code}/settings/tokens/", {"name": "Reports"}, follow=True),
    }
    for kind, page in pages.items():
        assert "no-store" in page.headers.get("Cache-Control", ""), (kind, page.status_code)


def test_pages_at_secret_addresses_are_kept_by_no_cache(db: None, alice: User, team: Team, now: datetime) -> None:
    token = teams.invite(team=team, actor=alice, role=Role.VIEWER, note="", now=now)
    for place in (f"/invitations/{token}/", "/accounts/login/", "/accounts/password/reset/key/1-set-password/"):
        assert "no-store" in Client().get(place).headers["Cache-Control"], place


def test_sessions_that_are_over_are_deleted(db: None, client: Client, alice: User) -> None:
    client.force_login(alice)
    Session.objects.create(session_key="old", session_data="", expire_date=datetime(2020, 1, 1, tzinfo=UTC))
    tasks.tidy()
    assert [session.session_key for session in Session.objects.all()] == [client.session.session_key]
