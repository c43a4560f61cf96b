"""A user lets the operator's program in: to IBKR's page and back, in one browser, once, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Role, Team, User
from brokers.connections import connections
from brokers.ibkr.auth.keys import group_pem
from brokers.ibkr.tests.auth.conftest import PRIME
from brokers.models import Authorization, Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.simulator.testing.oauth import keys, register
from brokers.simulator.tests.oauth.oauth_program import authorize
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)
PERSON = {"environment": "paper", "name": "Allowed", "region": "EU"}
CONSUMERS = iter(f"VENDOR{number:03d}" for number in range(1, 999))


@pytest.fixture
def consumer(gateway: RunningGateway, settings: Any) -> Iterator[str]:
    """The operator's consumer, which IBKR has approved."""
    settings.IBKR_API_URL = f"{gateway.url}/v1/api"
    settings.IBKR_AUTHORIZE_URL = f"{gateway.url}/authorize"
    settings.PUBLIC_URL = "http://testserver"
    settings.TRUST_PRIVATE_GATEWAYS = True
    settings.GATEWAY_PORTS = ["1-65535"]
    key, made = next(CONSUMERS), keys()
    register(gateway, key, made, dh_params=group_pem(PRIME), name="Halyard")
    settings.IBKR_CONSUMER = {
        "consumer_key": key,
        "signature_key": made.signature,
        "encryption_key": made.encryption,
        "dh_parameters": group_pem(PRIME),
    }
    yield key
    gateway.clear_faults()


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def left(browser: Client, team: Team, username: str, **changes: str) -> Authorization:
    """The person has filled in the form and is on the way to IBKR's page."""
    values = {**PERSON, "username": username, **changes}
    answer = browser.post(f"/teams/{team.code}/connections/new/allow/", values)
    assert answer.status_code == 302, answer.content.decode()
    row = Authorization.objects.latest("pk")
    shown = browser.get(answer["Location"]).content.decode()
    assert f"/authorize?oauth_token={row.request_token}" in shown
    return row


def back(gateway: RunningGateway, row: Authorization, username: str) -> str:
    """The address that IBKR sends the browser to, once the person has allowed it."""
    location = authorize(gateway, row.request_token, username)[1][1]["Location"]
    parts = urlsplit(location)
    assert (parts.netloc, parts.path) == ("testserver", "/connections/callback/")
    return f"{parts.path}?{parts.query}"


def outcome(browser: Client, address: str) -> tuple[int, str]:
    """What the person is told in the end."""
    answer = browser.get(address, follow=True)
    return answer.status_code, answer.content.decode()


def state(connection: Connection) -> tuple[str, str]:
    return Connection.objects.values_list("session_status", "session_code").get(pk=connection.pk)


def test_a_user_lets_halyard_in_and_it_signs_in(
    browser: Client, team: Team, consumer: str, gateway: RunningGateway
) -> None:
    row = left(browser, team, "allower")
    address = back(gateway, row, "allower")
    assert "IBKR lets Halyard in for this user" in outcome(browser, address)[1]
    connection = Connection.objects.get()
    assert (connection.auth_method, connection.username) == ("oauth_operator", "allower")
    # Of the operator's keys it has none; they are the installation's.
    assert set(connection.signing_keys.open()) == {"access_token", "access_token_secret"}
    assert "PRIVATE" not in repr(connections.login_of(connection))

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: state(connection) == ("active", "signed-in"), "it is signed in")
            gateway.control("POST", f"/oauth/consumers/{consumer}/revoke", {"username": "allower"})
            await asyncio.to_thread(
                lab.asked, lambda: connections.verify(connection=connection, actor=None, now=timezone.now())
            )
            await lab.until(lambda: state(connection) == ("revoked", "token-revoked"), "the revocation is shown")

    asyncio.run(story())
    shown = browser.get(f"/teams/{team.code}/connections/{connection.code}/").content.decode()
    assert "Allow it again at IBKR" in shown
    assert "IBKR lets Halyard in for this user no more" in shown
    asked = browser.post(f"/teams/{team.code}/connections/{connection.code}/allow/")
    again = Authorization.objects.latest("pk")
    assert asked["Location"].endswith(f"/allow/{again.code}/")
    before = connection.signing_keys.open()["access_token_secret"]
    assert outcome(browser, back(gateway, again, "allower"))[0] == 200
    connection.refresh_from_db()
    assert Connection.objects.count() == 1
    assert connection.signing_keys.open()["access_token_secret"] != before
    assert state(connection)[0] == "connecting"


def test_an_answer_is_used_once(browser: Client, team: Team, consumer: str, gateway: RunningGateway) -> None:
    address = back(gateway, left(browser, team, "once"), "once")
    outcome(browser, address)
    # The session has forgotten the way; and a session that has not is told that it was used.
    assert "sign-in-unknown" in outcome(browser, address)[1]
    address = back(gateway, row := left(browser, team, "once2"), "once2")
    Authorization.objects.filter(pk=row.pk).update(used_at=timezone.now())
    assert "sign-in-used" in outcome(browser, address)[1]
    assert Connection.objects.count() == 1


def test_a_refusal_on_ibkrs_page_is_said(browser: Client, team: Team, consumer: str, gateway: RunningGateway) -> None:
    row = left(browser, team, "denier")
    with gateway.behaving(oauth_refusal_returns=True):
        location = authorize(gateway, row.request_token, "denier", choice="refuse")[1][1]["Location"]
    assert parse_qs(urlsplit(location).query)["oauth_problem"] == ["permission_denied"]
    shown = outcome(browser, location.removeprefix("http://testserver"))[1]
    assert "It was not allowed on IBKR&#x27;s page" in shown
    assert "sign-in-denied" in shown
    assert "Start again" in shown
    assert not Connection.objects.exists()


def test_another_request_token_connects_nothing(
    browser: Client, team: Team, consumer: str, gateway: RunningGateway
) -> None:
    row = left(browser, team, "strayed")
    gateway.fault(preset="oauth_stray_callback", match={"user": "strayed"})
    assert "sign-in-unknown" in outcome(browser, back(gateway, row, "strayed"))[1]
    assert not Connection.objects.exists()


def test_another_browser_or_person_connects_nothing(
    browser: Client, team: Team, consumer: str, gateway: RunningGateway, alice: User, charlie: User
) -> None:
    address = back(gateway, left(browser, team, "shared"), "shared")
    for person in (alice, charlie):
        other = Client()
        other.force_login(person)
        assert "sign-in-unknown" in outcome(other, address)[1]
    assert "/accounts/login/" in Client().get(address)["Location"]
    assert not Connection.objects.exists()
    assert outcome(browser, address)[0] == 200
    assert Connection.objects.count() == 1


def test_who_is_an_owner_no_more_connects_nothing(
    browser: Client, team: Team, consumer: str, gateway: RunningGateway, alice: User
) -> None:
    address = back(gateway, left(browser, team, "demoted"), "demoted")
    Membership.objects.filter(team=team, user=alice).update(role=Role.TRADER)
    assert browser.get(address).status_code == 403
    Membership.objects.filter(team=team, user=alice).delete()
    assert browser.get(address).status_code == 404
    assert not Connection.objects.exists()


def test_ten_minutes_are_enough(browser: Client, team: Team, consumer: str, gateway: RunningGateway) -> None:
    row = left(browser, team, "slow")
    address = back(gateway, row, "slow")
    now = timezone.now()
    Authorization.objects.filter(pk=row.pk).update(
        asked_at=now - timedelta(minutes=11), expires_at=now - timedelta(seconds=1)
    )
    assert "sign-in-over" in outcome(browser, address)[1]
    assert not Connection.objects.exists()


def test_a_verifier_that_ibkr_refuses_is_said(
    browser: Client, team: Team, consumer: str, gateway: RunningGateway
) -> None:
    row = left(browser, team, "verified")
    address = back(gateway, row, "verified")
    gateway.fault(preset="oauth_verifier_used")
    assert "sign-in-over" in outcome(browser, address)[1]
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"state": "revoked"}, "operator-key-refused"),
        ({"preset": "oauth_portal_501"}, "no-token-given"),
        ({"preset": "connect_refused"}, "ibkr-not-reached"),
        ({"preset": "oauth_timestamp_or_nonce_reused"}, "operator-keys-differ"),
    ],
    ids=["revoked", "no answer", "silent", "signature"],
)
def test_what_ibkr_refuses_before_its_page_is_said_in_the_form(
    browser: Client, team: Team, consumer: str, gateway: RunningGateway, fault: dict[str, str], code: str
) -> None:
    if "state" in fault:
        gateway.control("POST", f"/oauth/consumers/{consumer}", fault)
    else:
        gateway.fault(preset=fault["preset"])
    answer = browser.post(f"/teams/{team.code}/connections/new/allow/", {**PERSON, "username": "early"})
    assert (answer.status_code, code in answer.content.decode()) == (422, True)
    assert not Authorization.objects.exists()


def test_without_a_consumer_nobody_is_sent_to_ibkr(browser: Client, team: Team, settings: Any) -> None:
    settings.IBKR_CONSUMER = {}
    page = f"/teams/{team.code}/connections/new/allow/"
    assert "has no consumer key at IBKR" in browser.get(page).content.decode()
    answer = browser.post(page, {**PERSON, "username": "nobody"})
    assert (answer.status_code, "no-consumer-key" in answer.content.decode()) == (422, True)


def test_the_test_consumer_is_for_paper(browser: Client, team: Team, settings: Any) -> None:
    settings.IBKR_CONSUMER = {"consumer_key": "TESTCONS"}
    page = f"/teams/{team.code}/connections/new/allow/"
    shown = browser.get(page).content.decode()
    assert "paper accounts only" in shown
    assert 'value="live"' not in shown
    assert browser.post(page, {**PERSON, "environment": "live", "username": "rich"}).status_code == 422
