"""The first page: what strangers read, and where members go."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from accounts import teams
from accounts.models import Team, User

pytestmark = pytest.mark.django_db


def test_it_tells_strangers_what_this_is_and_offers_a_sign_up(client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "Your trading signals become orders at Interactive Brokers." in page.text
    assert 'action="/accounts/signup/"' in page.text


def test_it_offers_no_sign_up_where_it_is_closed(client: Client, settings: Any) -> None:
    settings.SIGNUP_OPEN = False
    page = client.get("/")
    assert 'action="/accounts/signup/"' not in page.text
    assert "invitation link" in page.text


def test_it_takes_a_member_to_the_newest_team(client: Client, alice: User, team: Team, now: datetime) -> None:
    newer = teams.found_team(owner=alice, name="Newer", now=now)
    client.force_login(alice)
    assert client.get("/").headers["Location"] == f"/teams/{newer.code}/"


def test_it_takes_a_member_back_to_the_team_looked_at_last(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    teams.found_team(owner=alice, name="Newer", now=now)
    client.force_login(alice)
    client.get(f"/teams/{team.code}/")
    assert client.get("/").headers["Location"] == f"/teams/{team.code}/"


def test_it_asks_somebody_without_a_team_to_found_one(client: Client, charlie: User) -> None:
    client.force_login(charlie)
    assert client.get("/").headers["Location"] == "/teams/new/"
    client.post("/teams/new/", {"name": "Charlie's own"})
    assert [team.name for team in charlie.teams.all()] == ["Charlie's own"]


def test_it_carries_a_strict_policy_and_no_inline_script(client: Client) -> None:
    page = client.get("/")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "<style" not in page.text
    assert " style=" not in page.text
    assert " onclick=" not in page.text


def test_it_shows_the_chosen_theme_without_waiting_for_a_script(client: Client) -> None:
    client.cookies["theme"] = "dark"
    assert 'data-theme="dark"' in client.get("/").text
    client.cookies["theme"] = '"><b>'
    assert "data-theme" not in client.get("/").text.partition(">")[2].partition("<body")[0]
