"""Nobody can lock everybody out of sign-in, nor one person; and nobody can guess for ever."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client, override_settings

from accounts.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_counts")]
PROXY = "10.0.0.5"
PASSWORD = "alice's password"
TOO_MANY = "Too many tries failed"


@pytest.fixture
def fresh_counts(settings: Any) -> Iterator[None]:
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": f"test-{uuid.uuid4()}"}}
    settings.TRUSTED_PROXIES = [PROXY]
    yield
    cache.clear()


def attempt(client: Client, email: str, password: str, address: str) -> Any:
    """One attempt to sign in through our reverse proxy."""
    form = {"login": email, "password": password}
    return client.post("/accounts/login/", form, REMOTE_ADDR=PROXY, headers={"x-forwarded-for": address})


def fewer(settings: Any) -> None:
    """An account may be guessed at 7 times an hour, so that a test need not do it 50 times."""
    assert settings.ACCOUNT_RATE_LIMITS["login_failed_account"] == "50/h/key"
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login_failed_account": "7/h/key"}


def strangers() -> Iterator[str]:
    return (f"203.0.{n // 250}.{n % 250 + 1}" for n in itertools.count())


def test_one_guesser_behind_the_proxy_does_not_close_the_door_for_the_others(alice: User, bob: User) -> None:
    for n in range(40):
        attempt(Client(), f"nobody{n}@example.com", "wrong", "203.0.113.66")
    assert attempt(Client(), alice.email, PASSWORD, "203.0.113.66").status_code == 429
    assert attempt(Client(), alice.email, PASSWORD, "198.51.100.1").status_code == 302


def test_one_guesser_at_one_account_does_not_lock_its_owner_out(alice: User) -> None:
    answers = [attempt(Client(), alice.email, f"wrong {n}", "203.0.113.66") for n in range(8)]
    assert TOO_MANY not in answers[4].text
    assert TOO_MANY in answers[5].text
    assert attempt(Client(), alice.email, PASSWORD, "198.51.100.1").status_code == 302


def test_a_claimed_address_or_host_gives_a_guesser_no_further_attempts(alice: User, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    form = {"login": alice.email, "password": "wrong"}
    texts = [
        Client()
        .post(
            "/accounts/login/",
            form,
            REMOTE_ADDR="203.0.113.9",
            headers={"x-forwarded-for": f"192.0.2.{n}", "host": f"h{n}.example"},
        )
        .text
        for n in range(7)
    ]
    assert [TOO_MANY in text for text in texts] == [False] * 5 + [True] * 2


def test_many_addresses_cannot_guess_for_ever_and_cannot_lock_out_a_known_browser(alice: User, settings: Any) -> None:
    fewer(settings)
    own = Client()
    assert attempt(own, alice.email, PASSWORD, "198.51.100.1").status_code == 302
    own.post("/accounts/logout/")
    elsewhere = strangers()
    answers = [attempt(Client(), alice.email.upper(), "wrong", next(elsewhere)) for _ in range(8)]
    assert TOO_MANY in answers[-1].text
    # A browser nobody has seen has to wait; the owner's own has not, from whatever address.
    assert TOO_MANY in attempt(Client(), alice.email, PASSWORD, "198.51.100.2").text
    assert attempt(own, alice.email, PASSWORD, "198.51.100.3").status_code == 302


def test_a_known_browser_cannot_guess_for_ever_either(alice: User, bob: User) -> None:
    own = Client()
    attempt(own, alice.email, PASSWORD, "198.51.100.1")
    own.post("/accounts/logout/")
    answers = [attempt(own, alice.email, "wrong", f"198.51.100.{n}") for n in range(12)]
    assert [TOO_MANY in answer.text for answer in answers] == [False] * 10 + [True] * 2


def test_the_mark_of_one_account_or_of_an_old_password_helps_nobody(alice: User, bob: User, settings: Any) -> None:
    fewer(settings)
    own = Client()
    attempt(own, alice.email, PASSWORD, "198.51.100.1")
    own.post("/accounts/logout/")
    answers = [attempt(own, bob.email, "wrong", "203.0.113.66") for _ in range(6)]
    assert TOO_MANY in answers[-1].text
    alice.set_password("another password altogether")
    alice.save()
    elsewhere = strangers()
    for _ in range(7):
        attempt(Client(), alice.email, "wrong", next(elsewhere))
    assert TOO_MANY in attempt(own, alice.email, "another password altogether", "198.51.100.1").text


def test_a_password_reset_by_mail_forgets_the_failed_attempts(alice: User, mailoutbox: list[Any]) -> None:
    for n in range(6):
        attempt(Client(), alice.email, f"wrong {n}", "198.51.100.1")
    client = Client(REMOTE_ADDR=PROXY, headers={"x-forwarded-for": "198.51.100.1"})
    client.post("/accounts/password/reset/", {"email": alice.email})
    link = next(word for word in mailoutbox[0].body.split() if "/accounts/password/reset/key/" in word)
    page = client.get("/" + link.split("/", 3)[3], follow=True)
    new = {"password1": "a sail of another colour", "password2": "a sail of another colour"}
    assert client.post(page.request["PATH_INFO"], new).status_code == 302
    assert attempt(Client(), alice.email, "a sail of another colour", "198.51.100.1").status_code == 302


NOWHERE = "redis://127.0.0.1:1/0"


def test_without_valkey_people_sign_in_and_guessers_are_still_refused(alice: User, settings: Any) -> None:
    with override_settings(CACHES={"default": {**settings.CACHES["default"], "LOCATION": NOWHERE}}):
        texts = [attempt(Client(), alice.email, f"wrong {n}", "203.0.113.66").text for n in range(6)]
        assert [TOO_MANY in text for text in texts] == [False] * 5 + [True]
        assert attempt(Client(), alice.email, PASSWORD, "198.51.100.1").status_code == 302


def test_wrong_api_tokens_are_limited_per_address_and_a_right_one_never(alice: User, team: Any) -> None:
    from accounts.tests.api.client import Api

    api = Api(team, alice)
    wrong = Client(headers={"Authorization": "Token hy_wrong"}, REMOTE_ADDR="203.0.113.66")
    statuses = [wrong.get("/api/v1/orders/").status_code for _ in range(61)]
    assert statuses == [401] * 60 + [429]
    answer: Any = wrong.get("/api/v1/orders/")
    assert (answer.json()["code"], answer.headers["Retry-After"]) == ("throttled", "60")
    assert api.client.get("/api/v1/orders/", REMOTE_ADDR="203.0.113.66").status_code == 200
