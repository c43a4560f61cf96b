"""The audit chain: who did what, and whether somebody has changed the story since."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts import audit, teams
from accounts.models import AuditEntry, Team, User


@pytest.fixture
def chain(team: Team, alice: User, now: datetime) -> list[AuditEntry]:
    """Three entries: the founding, and two of our own."""
    for number in (1, 2):
        moment = now + timedelta(minutes=number)
        audit.record(
            team=team,
            actor=alice,
            action="thing.changed",
            subject=f"thing {number}",
            now=moment,
            before={"a": number, "b": None},
            after={"b": [1.5, "é"], "a": True},
        )
    return list(AuditEntry.objects.filter(team=team).order_by("id"))


def test_an_entry_says_who_did_what_and_when(chain: list[AuditEntry], alice: User, now: datetime) -> None:
    entry = chain[1]
    assert (entry.actor, entry.action, entry.subject) == (alice, "thing.changed", "thing 1")
    assert (entry.before, entry.after) == ({"a": 1, "b": None}, {"b": [1.5, "é"], "a": True})
    assert entry.at == now + timedelta(minutes=1)


def test_each_entry_carries_the_hash_of_the_one_before(chain: list[AuditEntry]) -> None:
    assert [entry.previous_hash for entry in chain] == ["", chain[0].hash, chain[1].hash]
    assert len({entry.hash for entry in chain}) == 3


def test_an_untouched_chain_is_whole(team: Team, chain: list[AuditEntry]) -> None:
    assert audit.first_broken(team) is None


@pytest.mark.parametrize(
    "change",
    [
        {"action": "thing.removed"},
        {"subject": "another thing"},
        {"before": None},
        {"after": {"b": [1.5, "é"], "a": False}},
        {"actor": None},
        {"at": datetime.fromisoformat("2026-01-01T00:00:00+00:00")},
        {"hash": "0" * 64},
        {"previous_hash": "0" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_entry_shows(team: Team, chain: list[AuditEntry], change: dict[str, Any]) -> None:
    AuditEntry.objects.filter(pk=chain[1].pk).update(**change)
    assert audit.first_broken(team) == chain[1]


def test_an_entry_rewritten_with_its_hash_shows_in_the_next_one(team: Team, chain: list[AuditEntry]) -> None:
    forged = chain[1]
    forged.subject = "another thing"
    forged.hash = audit.digest(forged)
    forged.save()
    assert audit.first_broken(team) == chain[2]


def test_a_removed_entry_shows(team: Team, chain: list[AuditEntry]) -> None:
    chain[1].delete()
    assert audit.first_broken(team) == chain[2]


def test_each_team_has_a_chain_of_its_own(team: Team, chain: list[AuditEntry], charlie: User, now: datetime) -> None:
    theirs = teams.found_team(owner=charlie, name="Charlie's", now=now)
    AuditEntry.objects.filter(team=theirs).update(subject="changed")
    assert AuditEntry.objects.get(team=theirs).previous_hash == ""
    assert audit.first_broken(team) is None
    assert audit.first_broken(theirs) is not None


def test_the_hash_does_not_depend_on_the_clock_of_the_writer(team: Team, alice: User, now: datetime) -> None:
    local = now.astimezone(ZoneInfo("Asia/Tokyo"))
    audit.record(team=team, actor=alice, action="thing.changed", subject="", now=local)
    assert audit.first_broken(team) is None


def test_nobody_may_be_the_actor(team: Team, now: datetime) -> None:
    entry = audit.record(team=team, actor=None, action="sweep", subject="", now=now)
    assert entry.actor is None
    assert audit.first_broken(team) is None
