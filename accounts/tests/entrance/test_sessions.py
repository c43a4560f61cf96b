"""Sessions that end: by their owner from another browser, or because nobody was there."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User

pytestmark = pytest.mark.django_db


def sign_in(user: User, browser: str) -> Client:
    client = Client(headers={"user-agent": browser})
    client.post("/accounts/login/", {"login": user.email, "password": "alice's password"})
    return client


def test_the_other_browsers_are_listed_and_ended(alice: User, team: Team) -> None:
    mine, theirs = sign_in(alice, "Laptop"), sign_in(alice, "A stranger's phone")
    page = f"/teams/{team.code}/"
    assert theirs.get(page).status_code == 200
    listed = mine.get("/accounts/sessions/").text
    assert "stranger" in listed
    assert "Laptop" in listed

    mine.post("/accounts/sessions/")

    assert theirs.get(page).headers["Location"].startswith("/accounts/login/")
    assert mine.get(page).status_code == 200


def test_nobody_there_for_long_ends_the_session(alice: User, team: Team, settings: Any) -> None:
    settings.IDLE_MINUTES = 30
    page, start = f"/teams/{team.code}/", timezone.now()
    with time_machine.travel(start, tick=False) as clock:
        client = sign_in(alice, "Laptop")
        client.get(page)
        clock.shift(dt.timedelta(minutes=29))
        assert client.get(page).status_code == 200
        clock.shift(dt.timedelta(minutes=29))
        # An open page that fetches itself anew is nobody's doing.
        assert client.get(page, headers={"sec-fetch-mode": "cors"}).status_code == 200
        clock.shift(dt.timedelta(minutes=2))
        answer = client.get(page)
        assert answer.headers["Location"].startswith("/accounts/login/?next=/teams/")
        assert "nobody used this browser for a while" in client.get(answer.headers["Location"]).text


def test_zero_minutes_switch_it_off(alice: User, team: Team, settings: Any) -> None:
    settings.IDLE_MINUTES = 0
    with time_machine.travel(timezone.now(), tick=False) as clock:
        client = sign_in(alice, "Laptop")
        client.get(f"/teams/{team.code}/")
        clock.shift(dt.timedelta(days=10))
        assert client.get(f"/teams/{team.code}/").status_code == 200


def test_last_seen_is_written_once_a_minute(alice: User, team: Team) -> None:
    from allauth.usersessions.models import UserSession

    with time_machine.travel(timezone.now(), tick=False) as clock:
        client = sign_in(alice, "Laptop")
        client.get(f"/teams/{team.code}/")
        first = UserSession.objects.get().last_seen_at
        clock.shift(dt.timedelta(seconds=30))
        client.get(f"/teams/{team.code}/")
        assert UserSession.objects.get().last_seen_at == first
        clock.shift(dt.timedelta(seconds=31))
        client.get(f"/teams/{team.code}/")
        assert UserSession.objects.get().last_seen_at == timezone.now()
