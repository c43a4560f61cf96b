"""The page that takes keys of one's own: each part that cannot work is named at once, and none is shown again."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Team, User
from brokers.ibkr.tests.auth.test_keys import negative
from brokers.models import Connection
from brokers.simulator.testing.oauth import keys
from brokers.tests.signing.conftest import Owner

pytestmark = pytest.mark.django_db


@pytest.fixture
def proved(client: Client, alice: User) -> Client:
    """An owner who has just confirmed that it is them."""
    client.force_login(alice)
    return client


def page(team: Team) -> str:
    return f"/teams/{team.code}/connections/new/signing/"


def filled(owner: Owner, **changes: str) -> dict[str, str]:
    person = {"environment": "paper", "name": "Signed", "username": owner.username, "region": "EU"}
    return {**person, **owner.parts, **changes}


def test_an_owner_connects_with_keys(proved: Client, team: Team, owner: Owner) -> None:
    answer = proved.post(page(team), filled(owner))
    made = Connection.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/teams/{team.code}/connections/{made.code}/")
    assert (made.auth_method, made.base_url, made.environment) == ("oauth", "", "paper")
    assert made.signing_keys.open() == {name: text.strip() for name, text in owner.parts.items()}
    assert owner.asked() == 0
    shown = proved.get(answer["Location"]).content.decode()
    assert "with keys of its own" in shown
    assert owner.parts["access_token"] not in shown


@pytest.mark.parametrize(
    ("part", "text", "code"),
    [
        ("consumer_key", "two words", "consumer-key-misspelled"),
        ("access_token", "not a token", "access-token-misspelled"),
        ("access_token_secret", "???", "secret-misspelled"),
        ("signature_key", "-----BEGIN PUBLIC KEY-----", "signature-key-unreadable"),
        ("encryption_key", keys(2).encryption, "secret-of-another-key"),
        ("dh_parameters", negative((1 << 2048) - 159), "prime-negative"),
    ],
    ids=["consumer", "token", "secret", "signature", "encryption", "prime"],
)
def test_a_part_that_cannot_work_is_named(
    proved: Client, team: Team, owner: Owner, part: str, text: str, code: str
) -> None:
    answer = proved.post(page(team), filled(owner, **{part: text}))
    shown = answer.content.decode()
    assert (answer.status_code, code in shown, Connection.objects.count()) == (422, True, 0)
    assert "PRIVATE KEY-----\n" not in shown
    assert owner.parts["access_token_secret"] not in shown


def test_every_part_is_wanted(proved: Client, team: Team, owner: Owner) -> None:
    for part in owner.parts:
        assert proved.post(page(team), filled(owner, **{part: ""})).status_code == 422
    assert not Connection.objects.exists()


def test_a_simulated_connection_takes_no_keys(proved: Client, team: Team, owner: Owner) -> None:
    assert proved.post(page(team), filled(owner, environment="simulated")).status_code == 422
    assert not Connection.objects.exists()


def test_a_key_that_is_not_active_leads_to_its_help(proved: Client, team: Team, owner: Owner) -> None:
    made = owner.connect(team)
    Connection.objects.update(session_status="pending", session_code="key-not-active")
    assert "/help/oauth/" in proved.get(f"/teams/{team.code}/connections/{made.code}/").content.decode()


def test_the_help_says_what_ibkr_tells_individuals(client: Client) -> None:
    shown = client.get("/help/oauth/").content.decode()
    for words in ("tells individuals", "openssl dhparam -out dhparam.pem 2048", "invalid consumer"):
        assert words in shown
