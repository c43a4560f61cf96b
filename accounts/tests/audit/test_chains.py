"""The audit's chains: who did what, and whether somebody has changed the story since."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection, transaction

from accounts import audit, teams
from accounts.audit import checking, digests, keys
from accounts.models import AuditChain, AuditEntry, AuditKey, Role, Team, User
from accounts.tests.audit.tampering import chain_of, cut_off, kind_of_fault, tamper
from accounts.vault.fields import Sealed

pytestmark = pytest.mark.django_db


def test_an_entry_says_who_did_what_and_when(chain: list[AuditEntry], alice: User) -> None:
    entry = chain[1]
    assert (entry.actor, entry.actor_name, entry.number) == (alice, "alice@example.com", 2)
    assert (entry.action, entry.subject) == ("thing.changed", "thing 1")
    assert (entry.before, entry.after) == ({"a": 1, "b": None}, {"b": [1.5, "é"], "a": True})


def test_each_entry_carries_the_signature_of_the_one_before(chain: list[AuditEntry]) -> None:
    assert [entry.previous_hash for entry in chain] == ["", *(entry.hash for entry in chain[:-1])]
    assert len({entry.hash for entry in chain}) == 5


def test_an_untouched_chain_is_whole(team: Team, chain: list[AuditEntry]) -> None:
    assert checking.check(chain_of(team)) == checking.Whole(entries=5, removed=0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("action", "thing.removed"),
        ("subject", "another thing"),
        ("before", None),
        ("after", '{"b": [1.5, "é"], "a": false}'),
        ("actor_name", "bob@example.com"),
        ("at", datetime.fromisoformat("2026-01-01T00:00:00+00:00")),
        ("address", "192.0.2.1"),
        ("origin", "page elsewhere"),
        ("hash", "0" * 64),
        ("previous_hash", "0" * 64),
    ],
)
def test_a_changed_entry_shows(team: Team, chain: list[AuditEntry], column: str, value: Any) -> None:
    tamper(f"UPDATE accounts_auditentry SET {column} = %s WHERE id = %s", value, chain[2].pk)
    assert kind_of_fault(team) == (3, "changed")


def test_an_entry_put_under_another_team_shows(
    team: Team, chain: list[AuditEntry], charlie: User, now: datetime
) -> None:
    theirs = teams.found_team(owner=charlie, name="Charlie's", now=now)
    tamper("UPDATE accounts_auditentry SET team_id = %s WHERE id = %s", theirs.pk, chain[2].pk)
    assert kind_of_fault(team) == (3, "changed")


def test_an_entry_rewritten_with_a_key_of_ones_own_shows(team: Team, chain: list[AuditEntry]) -> None:
    # What the database alone gives away: everything but the key.
    tamper(
        "UPDATE accounts_auditentry SET subject = 'x', hash = %s WHERE id = %s",
        digests.sign(b"", "entry 1"),
        chain[2].pk,
    )
    assert kind_of_fault(team) == (3, "changed")


def test_a_secret_sealed_for_something_else_is_no_key(team: Team, chain: list[AuditEntry]) -> None:
    # Somebody knows the plain text of their own connection's secrets, and copies the sealed column.
    known = Sealed.of({"operator_id": "00" * 32})
    tamper("UPDATE accounts_auditkey SET secret = %s", known.token)
    assert kind_of_fault(team) == (5, "key-missing")
    assert keys.secret_of(AuditKey.objects.get()) is None


@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_removed_entry_shows(team: Team, chain: list[AuditEntry], number: int) -> None:
    tamper("DELETE FROM accounts_auditentry WHERE id = %s", chain[number - 1].pk)
    assert kind_of_fault(team) == (number, "removed")


def test_a_removed_entry_shows_when_the_others_close_up(team: Team, chain: list[AuditEntry]) -> None:
    tamper("DELETE FROM accounts_auditentry WHERE id = %s", chain[2].pk)
    for entry in chain[3:]:
        tamper("UPDATE accounts_auditentry SET number = %s WHERE id = %s", entry.number - 1, entry.pk)
    assert kind_of_fault(team) == (3, "moved")


def test_entries_in_another_order_show(team: Team, chain: list[AuditEntry]) -> None:
    for entry, number in ((chain[2], 99), (chain[3], 3), (chain[2], 4)):
        tamper("UPDATE accounts_auditentry SET number = %s WHERE id = %s", number, entry.pk)
    assert kind_of_fault(team) == (3, "moved")


@pytest.mark.parametrize(("number", "fault"), [(6, (6, "inserted")), (0, (0, "inserted"))])
def test_an_inserted_entry_shows(team: Team, chain: list[AuditEntry], number: int, fault: tuple[int, str]) -> None:
    copy = AuditEntry.objects.get(pk=chain[4].pk)
    copy.pk, copy.number, copy.hash = None, number, "f" * 64
    copy.save(force_insert=True)
    assert kind_of_fault(team) == fault


def test_an_end_cut_off_shows(team: Team, chain: list[AuditEntry]) -> None:
    tamper("DELETE FROM accounts_auditentry WHERE id = %s", chain[4].pk)
    assert kind_of_fault(team) == (5, "removed")


def test_an_end_cut_off_with_the_chains_own_row_shows(team: Team, chain: list[AuditEntry]) -> None:
    cut_off(chain_of(team), 3)
    assert kind_of_fault(team) == (3, "ends-changed")


def test_each_team_has_a_chain_of_its_own(team: Team, chain: list[AuditEntry], charlie: User, now: datetime) -> None:
    theirs = teams.found_team(owner=charlie, name="Charlie's", now=now)
    tamper("UPDATE accounts_auditentry SET subject = 'changed' WHERE team_id = %s", theirs.pk)
    assert AuditEntry.objects.get(team=theirs).previous_hash == ""
    assert (kind_of_fault(team), kind_of_fault(theirs)) == (None, (1, "changed"))


def test_the_signature_does_not_depend_on_the_clock_of_the_writer(team: Team, alice: User, now: datetime) -> None:
    local = now.astimezone(ZoneInfo("Asia/Tokyo"))
    audit.record(team=team, actor=alice, action="thing.changed", subject="", now=local)
    assert kind_of_fault(team) is None


@pytest.mark.parametrize(
    "value",
    [
        {"n": 1e22, "m": -0.0, "k": 1.0, "s": 1e-9, "big": 10**30},
        {10: "a", 9: "b", "z": {"b": 1, "a": 2}},
        ["é", "\u2028", "\U0001f600", "", None, True, False, 0],
        "text",
        {"role": Role.OWNER},
    ],
    ids=["numbers", "keys", "texts", "text", "enum"],
)
def test_what_the_column_makes_of_a_value_is_what_was_signed(team: Team, now: datetime, value: Any) -> None:
    audit.record(team=team, actor=None, action="thing.changed", subject="", now=now, before=value, after=value)
    assert kind_of_fault(team) is None


def test_numbers_are_signed_as_they_are_written_in_full() -> None:
    assert digests.plain([1e22, 0.1, -0.0, True]) == ["10000000000000000000000", "0.1", "0", True]


def test_nobody_may_be_the_actor(team: Team, now: datetime) -> None:
    entry = audit.record(team=team, actor=None, action="sweep", subject="", now=now)
    assert (entry.actor, entry.actor_name) == (None, "")
    assert kind_of_fault(team) is None


def test_a_person_who_is_deleted_breaks_nothing(team: Team, chain: list[AuditEntry], bob: User, now: datetime) -> None:
    audit.record(team=team, actor=bob, action="thing.changed", subject="", now=now)
    audit.record_person(person=bob, actor=bob, action="signed_in", subject="", now=now)
    own = AuditChain.objects.get(person=bob)
    bob.delete()
    last = AuditEntry.objects.get(chain=chain_of(team), number=6)
    assert (last.actor, last.actor_name) == (None, "bob@example.com")
    assert kind_of_fault(team) is None
    own.refresh_from_db()
    assert (own.person, own.name) == (None, "bob@example.com")
    assert checking.check(own) == checking.Whole(entries=1)


def test_a_team_that_is_deleted_leaves_its_record(charlie: User, now: datetime) -> None:
    team = Team.objects.create(name="Short-lived")
    audit.record(team=team, actor=charlie, action="thing.changed", subject="", now=now)
    own = chain_of(team)
    team.delete()
    own.refresh_from_db()
    assert (own.team, own.name) == (None, "Short-lived")
    assert checking.check(own) == checking.Whole(entries=1)


def test_entries_signed_with_an_old_key_stay_verifiable_when_it_is_dropped(
    team: Team, chain: list[AuditEntry], alice: User, now: datetime, settings: Any
) -> None:
    old, new = settings.ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [new, old]
    call_command("rotate_keys", verbosity=0)
    settings.ENCRYPTION_KEYS = [new]
    entry = audit.record(team=team, actor=alice, action="thing.changed", subject="", now=now)
    assert entry.key_id != chain[0].key_id
    assert kind_of_fault(team) is None


def test_a_lost_key_is_said_and_stops_nobody(
    team: Team, chain: list[AuditEntry], alice: User, now: datetime, settings: Any
) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert kind_of_fault(team) == (5, "key-missing")
    audit.record(team=team, actor=alice, action="thing.changed", subject="", now=now)
    assert kind_of_fault(team) == (1, "key-missing")


@pytest.mark.django_db(transaction=True)
def test_writers_at_the_same_time_never_fork_a_chain(team: Team, alice: User, now: datetime) -> None:
    def write(name: str) -> None:
        try:
            for number in range(15):
                audit.record(team=team, actor=alice, action=name, subject=str(number), now=now)
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(f"writer.{n}",)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert checking.check(chain_of(team)) == checking.Whole(entries=61)


@pytest.mark.django_db(transaction=True)
def test_teams_do_not_wait_for_each_other(team: Team, alice: User, charlie: User, now: datetime) -> None:
    theirs = teams.found_team(owner=charlie, name="Charlie's", now=now)
    written: list[AuditEntry] = []

    def write() -> None:
        try:
            written.append(audit.record(team=theirs, actor=charlie, action="thing.changed", subject="", now=now))
        finally:
            connection.close()

    with transaction.atomic():
        audit.record(team=team, actor=alice, action="thing.changed", subject="", now=now)
        other = threading.Thread(target=write)
        other.start()
        other.join(20)
        assert len(written) == 1
