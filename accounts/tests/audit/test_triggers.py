"""Entries of the audit are appended, and Postgres takes no other change to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.audit import checking, removal
from accounts.models import AuditChain, AuditEntry, AuditKey, Team, User
from accounts.tests.audit.tampering import chain_of, kind_of_fault

pytestmark = pytest.mark.django_db


def sql(statement: str) -> Callable[[], None]:
    def run() -> None:
        with connection.cursor() as cursor:
            # Checks that wait for the end of the transaction would refuse it first.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(statement)

    return run


@pytest.mark.parametrize(
    "change",
    [
        lambda: AuditEntry.objects.update(subject="changed"),
        lambda: AuditEntry.objects.update(actor_name=""),
        lambda: AuditEntry.objects.update(actor=None, subject="changed"),
        lambda: AuditEntry.objects.all().delete(),
        sql("TRUNCATE accounts_auditentry CASCADE"),
        sql("TRUNCATE accounts_team CASCADE"),
        lambda: AuditChain.objects.update(number=1),
        lambda: AuditChain.objects.update(kind="person"),
        sql("DELETE FROM accounts_auditchain"),
        sql("TRUNCATE accounts_auditchain CASCADE"),
        sql("DELETE FROM accounts_auditkey"),
        sql("TRUNCATE accounts_auditkey CASCADE"),
    ],
)
def test_postgres_refuses(chain: list[AuditEntry], team: Team, change: Callable[[], object]) -> None:
    with (
        pytest.raises(IntegrityError, match=r"of the audit are never (changed|shortened|removed)"),
        transaction.atomic(),
    ):
        change()
    assert AuditEntry.objects.filter(chain=chain_of(team)).count() == 5
    assert kind_of_fault(team) is None


def test_an_actor_may_only_be_taken_away(chain: list[AuditEntry], bob: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.update(actor=bob)
    AuditEntry.objects.update(actor=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.update(actor=bob)


def test_the_oldest_entries_can_be_removed_lawfully(
    team: Team, chain: list[AuditEntry], alice: User, now: datetime
) -> None:
    count = removal.remove_before(chain=chain_of(team), moment=now + timedelta(minutes=2), actor=alice, now=now)
    assert count == 2
    assert checking.check(chain_of(team)) == checking.Whole(entries=3, removed=2)
    said = AuditEntry.objects.get(action="record.removed")
    assert (said.chain.kind, said.after) == (
        "installation",
        {"chain": str(team.code), "through": 2, "entries": 2},
    )
    # What opened the table for it has closed it again.
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.all().delete()


def test_a_whole_chain_can_be_removed_and_its_seal_stays(team: Team, chain: list[AuditEntry], now: datetime) -> None:
    later = now + timedelta(days=1)
    assert removal.remove_before(chain=chain_of(team), moment=later, actor=None, now=now) == 5
    assert checking.check(chain_of(team)) == checking.Whole(entries=0, removed=5)
    assert removal.remove_before(chain=chain_of(team), moment=later, actor=None, now=now) == 0
    assert AuditKey.objects.count() == 1
