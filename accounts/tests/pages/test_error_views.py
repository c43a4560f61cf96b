"""What people read when there is nothing, or not for them."""

from __future__ import annotations

import uuid

import pytest
from django.template.loader import render_to_string
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db


def test_it_says_that_nothing_is_here(client: Client, alice: User) -> None:
    client.force_login(alice)
    page = client.get(f"/teams/{uuid.uuid4()}/")
    assert page.status_code == 404
    assert "Nothing is at this address" in page.text


def test_it_answers_a_fault_without_a_database() -> None:
    page = render_to_string("500.html")
    assert "A fault of ours stopped this page" in page
    assert "{%" not in page


def test_it_explains_a_form_that_is_too_old(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    page = client.post("/you/", {"time_zone": "UTC"})
    assert page.status_code == 403
    assert "This form is too old to be sent" in page.text
