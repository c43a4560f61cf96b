"""The wizard that makes keys: asked for, made by one worker at a time, given to IBKR, finished with its token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers import tasks
from brokers.connections import keysets
from brokers.connections.connections import ConnectionRefused
from brokers.ibkr.auth import keys, making
from brokers.ibkr.tests.auth.conftest import PRIME
from brokers.models import Connection, KeySet, LiveSessionToken
from brokers.simulator.testing.oauth import grant
from brokers.tests.signing.conftest import Owner

pytestmark = pytest.mark.django_db


@pytest.fixture
def proved(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prime that is known: the search for one has a test of its own."""
    monkeypatch.setattr(making, "new_prime", lambda: PRIME)


def made(team: Team, **more: Any) -> KeySet:
    row = keysets.start(team=team, actor=None, now=timezone.now(), **more)
    assert keysets.make_next(timezone.now)
    row.refresh_from_db()
    return row


def at_ibkr(owner: Owner, row: KeySet) -> tuple[str, str]:
    """The public files uploaded, and what IBKR's page gives for them."""
    files = {name: keysets.public_file(row.keys.open(), name) for name in keysets.FILES}
    owner.gateway.control(
        "POST",
        "/oauth/consumers",
        {
            "consumer_key": row.consumer_key,
            "party": "first",
            "signature_key": files[keysets.PUBLIC_SIGNATURE],
            "encryption_key": files[keysets.PUBLIC_ENCRYPTION],
            "dh_params": files[keysets.DH_FILE],
        },
    )
    return grant(owner.gateway, row.consumer_key, owner.username)


def test_a_prime_is_searched_for_by_a_process_of_its_own() -> None:
    prime = making.new_prime(512)
    assert prime.bit_length() == 512
    assert pow(2, (prime - 1) // 2, prime) in {1, prime - 1}


def test_a_search_that_ends_without_a_prime_is_begun_again(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "LONGEST_SEARCH", 0.01)
    with pytest.raises(making.SearchFailed):
        making.new_prime()
    row = made(team)
    assert (row.step, row.in_hand, bool(row.keys)) == ("waiting", False, False)


@pytest.mark.usefixtures("quick")
def test_the_wizard_makes_keys_and_the_page_tells_how_far_they_are(proved: Client, team: Team) -> None:
    asked = proved.post(f"/teams/{team.code}/connections/new/keys/")
    row = KeySet.objects.get()
    assert (asked.status_code, asked["Location"]) == (302, f"/teams/{team.code}/connections/keys/{row.code}/")
    page = asked["Location"]
    for step in ("signature", "encryption", "prime"):
        KeySet.objects.update(step=step)
        shown = proved.get(page).content.decode()
        assert shown.count("is being made") == 1
        assert "public_signature.pem" not in shown
    KeySet.objects.update(step="waiting")
    tasks.make_keys()
    shown = proved.get(page).content.decode()
    assert (shown.count("is made"), row.consumer_key in shown) == (3, True)
    secrets = KeySet.objects.get().keys.open()
    for name in keysets.FILES:
        answer = proved.get(f"{page}files/{name}")
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        assert b"PRIVATE" not in answer.content
        assert answer["Cache-Control"].startswith("max-age=0")
    assert proved.get(f"{page}files/signature.pem").status_code == 404
    public = serialization.load_pem_public_key(proved.get(f"{page}files/public_signature.pem").content)
    private = keys.private_key(secrets[keys.SIGNATURE_KEY], "signature")
    assert public == private.public_key()
    # A zero byte leads, so that IBKR reads no negative number.
    assert keys.group_of(proved.get(f"{page}files/dhparam.pem").content.decode()) == (PRIME, 2)


@pytest.mark.usefixtures("quick")
def test_one_set_is_made_at_a_time_and_who_died_at_it_is_not_waited_for(team: Team) -> None:
    now = timezone.now()
    first, second = (keysets.start(team=team, actor=None, now=now + timedelta(seconds=at)) for at in (0, 1))
    KeySet.objects.filter(pk=first.pk).update(in_hand=True, in_hand_until=now + keysets.IN_HAND)
    assert not keysets.waits(now)
    assert not keysets.make_next(timezone.now)
    assert keysets.before(second) == 1
    assert keysets.waits(now + keysets.IN_HAND)
    assert keysets.make_next(timezone.now)
    assert keysets.make_next(timezone.now)
    assert list(KeySet.objects.values_list("step", flat=True)) == ["made", "made"]
    assert not keysets.make_next(timezone.now)
    assert not keysets.waits(now + keysets.IN_HAND)


def test_keys_that_nobody_finishes_are_forgotten(team: Team) -> None:
    row = keysets.start(team=team, actor=None, now=timezone.now() - timedelta(days=31))
    keysets.waits(timezone.now())
    assert not KeySet.objects.filter(pk=row.pk).exists()


def test_a_team_has_a_few_sets_at_a_time(team: Team) -> None:
    for _ in range(keysets.MOST_OF_A_TEAM):
        keysets.start(team=team, actor=None, now=timezone.now())
    with pytest.raises(ConnectionRefused, match="Finish or discard") as refused:
        keysets.start(team=team, actor=None, now=timezone.now())
    assert refused.value.code == "too-many-key-sets"


@pytest.mark.usefixtures("quick")
def test_the_token_makes_the_connection_and_the_keys_are_its_alone(proved: Client, team: Team, owner: Owner) -> None:
    row = made(team)
    token, secret = at_ibkr(owner, row)
    page = f"/teams/{team.code}/connections/keys/{row.code}/token/"
    person = {"environment": "paper", "name": "Made", "username": owner.username, "region": "EU"}
    filled = {**person, "consumer_key": row.consumer_key, "access_token": token, "access_token_secret": secret}
    for changes, code in [
        ({"consumer_key": "EIGHTLET"}, "consumer-key-misspelled"),
        ({"consumer_key": "NINE LETT"}, "consumer-key-misspelled"),
        ({"access_token": "not one"}, "access-token-misspelled"),
        ({"access_token_secret": owner.parts["access_token_secret"]}, "secret-of-another-key"),
    ]:
        answer = proved.post(page, {**filled, **changes})
        shown = answer.content.decode()
        assert (answer.status_code, code in shown, secret in shown) == (422, True, False)
    assert not Connection.objects.exists()
    answer = proved.post(page, {**filled, "consumer_key": row.consumer_key.lower()})
    connection = Connection.objects.get()
    assert answer["Location"] == f"/teams/{team.code}/connections/{connection.code}/"
    assert (connection.auth_method, KeySet.objects.count()) == ("oauth", 0)
    assert connection.signing_keys.open()["consumer_key"] == row.consumer_key


@pytest.mark.usefixtures("quick")
def test_new_keys_of_a_connection_take_the_place_of_its_old_ones(proved: Client, team: Team, owner: Owner) -> None:
    connection = owner.connect(team)
    LiveSessionToken.objects.create(
        connection=connection, made_at=timezone.now(), expires_at=timezone.now() + timedelta(days=1)
    )
    asked = proved.post(f"/teams/{team.code}/connections/new/keys/", {"connection": str(connection.code)})
    assert asked.status_code == 302
    keysets.make_next(timezone.now)
    row = KeySet.objects.get()
    token, secret = at_ibkr(owner, row)
    filled = {"consumer_key": row.consumer_key, "access_token": token, "access_token_secret": secret}
    answer = proved.post(f"{asked['Location']}token/", filled)
    assert (answer.status_code, Connection.objects.count(), KeySet.objects.count()) == (302, 1, 0)
    connection.refresh_from_db()
    assert connection.signing_keys.open()["consumer_key"] == row.consumer_key
    assert not LiveSessionToken.objects.exists()
    assert (connection.session_status, connection.wants_verify) == ("connecting", True)


def test_a_token_alone_is_replaced_and_a_wrong_one_is_refused(proved: Client, team: Team, owner: Owner) -> None:
    connection = owner.connect(team)
    page = f"/teams/{team.code}/connections/{connection.code}/keys/"
    shown = proved.get(page).content.decode()
    assert owner.parts["consumer_key"] in shown
    assert owner.parts["access_token"] not in shown
    assert "PRIVATE KEY-----\n" not in shown
    assert proved.post(page, {}).status_code == 422
    assert proved.post(page, {"access_token_secret": "A" * 344}).status_code == 422
    assert connection.signing_keys.open() == Connection.objects.get().signing_keys.open()
    token, secret = grant(owner.gateway, owner.parts["consumer_key"], owner.username)
    assert proved.post(page, {"access_token": token, "access_token_secret": secret}).status_code == 302
    kept = Connection.objects.get().signing_keys.open()
    assert kept["access_token_secret"] == secret
    assert kept["signature_key"] == owner.parts["signature_key"].strip()
    assert b"BEGIN PUBLIC KEY" in proved.get(f"{page}public_signature.pem").content


def test_a_removed_connection_keeps_no_key_and_no_token(team: Team, owner: Owner) -> None:
    from brokers.connections import changes

    connection = owner.connect(team)
    LiveSessionToken.objects.create(connection=connection)
    changes.remove(connection=connection, actor=None, now=timezone.now())
    assert not Connection.objects.get().signing_keys
    assert not LiveSessionToken.objects.exists()


def test_a_connection_that_signs_is_edited_without_a_gateway(proved: Client, team: Team, owner: Owner) -> None:
    connection = owner.connect(team)
    page = f"/teams/{team.code}/connections/{connection.code}/"
    shown = proved.get(f"{page}edit/").content.decode()
    assert "Address of your gateway" not in shown
    values = {"environment": "paper", "name": "Other", "username": owner.username, "region": "NA"}
    assert proved.post(f"{page}edit/", values).status_code == 302
    connection.refresh_from_db()
    assert (connection.name, connection.region, connection.base_url) == ("Other", "NA", "")
    assert proved.post(f"{page}edit/", {**values, "button": "test"}).status_code == 200
    assert proved.get(f"{page}certificate/").status_code == 404
    assert proved.get(f"{page}proxy/").status_code == 404
