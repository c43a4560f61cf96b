"""A person's own settings."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db


def test_it_keeps_the_chosen_time_zone_and_tells_the_page(client: Client, charlie: User) -> None:
    client.force_login(charlie)
    page = client.post("/you/", {"time_zone": "America/New_York"}, follow=True)
    charlie.refresh_from_db()
    assert charlie.time_zone == "America/New_York"
    assert 'data-time-zone="America/New_York"' in page.text


def test_it_refuses_a_zone_that_does_not_exist(client: Client, charlie: User) -> None:
    client.force_login(charlie)
    page = client.post("/you/", {"time_zone": "Mars/Olympus"})
    assert 'aria-invalid="true"' in page.text
    charlie.refresh_from_db()
    assert charlie.time_zone == "UTC"


def test_it_asks_a_stranger_to_sign_in(client: Client) -> None:
    assert client.get("/you/").headers["Location"].startswith("/accounts/login/")
