"""The operator's pages have no door of their own."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import User

PASSWORD = "the operator's password"


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("operator@example.com", PASSWORD)


@pytest.fixture(autouse=True)
def one_step(settings: Any) -> None:
    """The second factor of operators has tests of its own."""
    settings.STAFF_SECOND_FACTOR = False


@pytest.mark.parametrize("page", ["/admin/", "/admin/accounts/user/", "/admin/login/"])
def test_a_stranger_is_sent_to_the_front_door(db: None, page: str) -> None:
    answer = Client().get(page, follow=True)
    assert answer.request["PATH_INFO"] == "/accounts/login/"


def test_the_admins_own_sign_in_takes_no_password(operator: User) -> None:
    client = Client()
    form = {"username": operator.email, "password": PASSWORD, "next": "/admin/"}
    for page in ("/admin/login/", "/admin/login/?next=/admin/", "/admin/accounts/user/"):
        answer = client.post(page, form)
        assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (302, "/accounts/login/")
    assert "_auth_user_id" not in client.session


def test_guessing_at_it_meets_no_password_check(operator: User) -> None:
    for n in range(20):
        Client().post("/admin/login/", {"username": operator.email, "password": f"wrong {n}"})
    # None of these was an attempt.
    answer = Client().post("/accounts/login/", {"login": operator.email, "password": PASSWORD})
    assert answer.status_code == 302


def test_the_front_door_leads_an_operator_back_to_the_page_they_wanted(operator: User) -> None:
    client = Client()
    door = client.get("/admin/login/?next=/admin/accounts/user/").headers["Location"]
    answer = client.post(door, {"login": operator.email, "password": PASSWORD})
    assert answer.headers["Location"] == "/admin/accounts/user/"
    assert client.get("/admin/accounts/user/").status_code == 200
    assert client.get("/admin/login/").headers["Location"] == "/admin/"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/admin/", "/accounts/logout/"])
def test_it_sends_nobody_elsewhere(operator: User, elsewhere: str) -> None:
    door = Client().get("/admin/login/", {"next": elsewhere}).headers["Location"]
    assert door == "/accounts/login/?next=/admin/"


def test_a_person_who_is_no_operator_is_refused_and_not_sent_in_a_circle(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    answer = client.get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "an operator&#x27;s account" in answer.text


def test_its_sign_out_and_its_passwords_are_ours(operator: User) -> None:
    client = Client()
    client.force_login(operator)
    assert client.post("/admin/logout/").headers["Location"] == "/accounts/logout/"
    assert client.get("/admin/password_change/").headers["Location"] == "/accounts/password/change/"
    form = {"old_password": PASSWORD, "new_password1": "a sail of our own", "new_password2": "a sail of our own"}
    client.post("/admin/password_change/", form)
    operator.refresh_from_db()
    assert operator.check_password(PASSWORD)
