"""Secrets at rest: encrypted in the database, readable under every listed key, and put under a new one."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection as database

from accounts.models import Team, User
from accounts.vault import keys, rotation
from accounts.vault.fields import Sealed
from brokers.connections import connections
from brokers.models import Connection
from brokers.tests import rows

pytestmark = pytest.mark.django_db
OLD, NEW, FOREIGN = (Fernet.generate_key().decode() for _ in range(3))
SECRETS = {"operator_id": "Q7-operator", "certificate_sha256": "ab:cd"}


@pytest.fixture(autouse=True)
def old_key(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [OLD]


def stored(username: str, team: Team, now: datetime) -> Connection:
    return rows.connection(team, username=username, now=now, secrets=Sealed.of(SECRETS))


def column() -> list[bytes]:
    """What lies in the database, past our models."""
    with database.cursor() as cursor:
        cursor.execute("SELECT secrets FROM brokers_connection ORDER BY id")
        return [bytes(row[0]) for row in cursor.fetchall()]


def rotate() -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    return out.getvalue()


def test_the_database_holds_nothing_that_can_be_read(team: Team, now: datetime) -> None:
    made = stored("u1", team, now)
    assert b"operator" not in column()[0]
    made.refresh_from_db()
    assert made.secrets.open() == SECRETS
    assert connections.login_of(made).secrets == SECRETS


def test_nothing_is_stored_as_it_is(team: Team, now: datetime) -> None:
    made = stored("u1", team, now)
    for plain in (b"secret", "secret", SECRETS, None):
        with pytest.raises(TypeError, match=r"takes secrets sealed with Sealed\.of"):
            Connection.objects.filter(pk=made.pk).update(secrets=plain)


def test_a_connection_without_secrets_needs_no_key(team: Team, now: datetime, settings: Any) -> None:
    made = rows.connection(team, username="u1", now=now)
    settings.ENCRYPTION_KEYS = [FOREIGN]
    made.refresh_from_db()
    assert (made.secrets.open(), bool(made.secrets), column()) == ({}, False, [b""])


def test_no_repr_and_no_dump_shows_them(team: Team, now: datetime) -> None:
    made = stored("u1", team, now)
    token = column()[0].decode()
    for shown in (repr(made.secrets), str(made.secrets), serializers.serialize("json", [made])):
        assert "Q7" not in shown
        assert token not in shown
    assert "Q7" not in repr(connections.login_of(made))
    assert dataclasses.fields(made.secrets)[0].name == "token"


def test_a_wrong_key_is_said_in_one_sentence_and_other_columns_still_read(
    team: Team, now: datetime, settings: Any
) -> None:
    stored("u1", team, now)
    settings.ENCRYPTION_KEYS = [FOREIGN]
    made = Connection.objects.get()
    assert made.username == "u1"
    with pytest.raises(
        keys.VaultError, match=r"^A stored secret cannot be read with the keys in HALYARD_ENCRYPTION_KEYS"
    ):
        made.secrets.open()
    # This, and the key that the audit is signed with.
    assert rotation.unreadable() == 2


def test_a_secret_that_somebody_changed_is_refused(team: Team, now: datetime) -> None:
    made = stored("u1", team, now)
    token = made.secrets.token
    for broken in (token[:-4] + b"AAAA", token[:40], b"not a token"):
        with pytest.raises(keys.VaultError):
            Sealed(broken).open()


def test_with_a_new_key_in_front_both_are_read_and_the_old_one_can_be_dropped(
    team: Team, now: datetime, settings: Any
) -> None:
    stored("u1", team, now)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    stored("u2", team, now)
    assert [row.secrets.open() for row in Connection.objects.order_by("pk")] == [SECRETS, SECRETS]
    printed = rotate()
    assert "2 secrets were stored again, 1 were under the newest key already." in printed
    assert "drop the others" in printed
    settings.ENCRYPTION_KEYS = [NEW]
    assert [row.secrets.open() for row in Connection.objects.order_by("pk")] == [SECRETS, SECRETS]
    assert "0 secrets were stored again, 4 were under the newest key already." in rotate()


def test_a_rotation_that_was_interrupted_leaves_both_keys_working_and_goes_on(
    team: Team, now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        stored(f"u{n}", team, now)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    seal = keys.seal
    sealed: list[bytes] = []

    def interrupted(plain: bytes) -> bytes:
        if len(sealed) == 3:
            raise KeyboardInterrupt
        sealed.append(plain)
        return seal(plain)

    monkeypatch.setattr("accounts.vault.keys.seal", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rotation.renew(batch=2)
    monkeypatch.undo()
    # The batch that was interrupted is as it was before.
    assert [keys.is_newest(token) for token in column()] == [True, True, False, False, False]
    assert all(row.secrets.open() == SECRETS for row in Connection.objects.all())
    assert rotation.renew(batch=2).renewed == 3
    assert all(keys.is_newest(token) for token in column())


def test_a_secret_whose_key_is_gone_is_left_alone_and_named(team: Team, now: datetime, settings: Any) -> None:
    stored("u1", team, now)
    before = column()
    settings.ENCRYPTION_KEYS = [NEW, FOREIGN]
    stored("u2", team, now)
    with pytest.raises(
        CommandError, match=r"Secrets of 1 connections, 1 keys of the audit cannot be read .* Put back the key"
    ):
        rotate()
    assert column()[0] == before[0]


def test_seeds_of_second_factors_are_stored_and_renewed_the_same_way(alice: User, settings: Any) -> None:
    seed = get_adapter().encrypt("JBSWY3DPEHPK3PXP")
    assert "JBSWY" not in seed
    Authenticator.objects.create(user=alice, type="totp", data={"secret": seed})
    Authenticator.objects.create(user=alice, type="recovery_codes", data={"seed": seed, "used_mask": 3})
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    rotate()
    settings.ENCRYPTION_KEYS = [NEW]
    totp, codes = Authenticator.objects.order_by("pk")
    assert get_adapter().decrypt(totp.data["secret"]) == "JBSWY3DPEHPK3PXP"
    assert (get_adapter().decrypt(codes.data["seed"]), codes.data["used_mask"]) == ("JBSWY3DPEHPK3PXP", 3)
