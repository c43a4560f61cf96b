"""How somebody with the database, and without the keys, would rewrite the record."""

from __future__ import annotations

from typing import Any

from django.db import connection

from accounts.audit import checking
from accounts.models import AuditChain, AuditEntry, Team


def tamper(statement: str, *values: Any) -> None:
    """Run SQL as a superuser who has switched the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            cursor.execute(statement, values)
        finally:
            cursor.execute("SET session_replication_role = origin")


def cut_off(chain: AuditChain, number: int) -> None:
    """Take everything behind this entry away, and say that the chain ends there, with the seal it had then."""
    last = AuditEntry.objects.get(chain=chain, number=number)
    tamper("DELETE FROM accounts_auditentry WHERE chain_id = %s AND number > %s", chain.pk, number)
    tamper("UPDATE accounts_auditchain SET number = %s, head = %s WHERE id = %s", number, last.hash, chain.pk)


def chain_of(team: Team) -> AuditChain:
    return AuditChain.objects.get(team=team)


def kind_of_fault(team: Team) -> tuple[int, str] | None:
    """Place and kind of the first fault in a team's chain."""
    result = checking.check(chain_of(team))
    return (result.number, result.kind) if isinstance(result, checking.Fault) else None
