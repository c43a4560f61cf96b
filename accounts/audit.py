"""The audit trail: an append-only chain of entries for each team, each with who did what."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from accounts.models import AuditEntry, Team, User


@transaction.atomic
def record(
    *, team: Team, actor: User | None, action: str, subject: str, now: datetime, before: Any = None, after: Any = None
) -> AuditEntry:
    """Append an entry. Its hash covers the entry and the hash before it, so that a later change shows."""
    # The team's row is the lock of its chain: without it, two entries at once would follow the same entry.
    Team.objects.select_for_update().get(pk=team.pk)
    last = AuditEntry.objects.filter(team=team).order_by("-id").values_list("hash", flat=True).first() or ""
    entry = AuditEntry(
        team=team, actor=actor, action=action, subject=subject, before=before, after=after, at=now, previous_hash=last
    )
    entry.hash = digest(entry)
    entry.save(force_insert=True)
    return entry


def digest(entry: AuditEntry) -> str:
    """The hash of an entry's content and of the entry before it."""
    content = [
        str(entry.team_id),
        str(entry.actor_id),
        entry.action,
        entry.subject,
        entry.before,
        entry.after,
        entry.at.astimezone(UTC).isoformat(),
        entry.previous_hash,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def first_broken(team: Team) -> AuditEntry | None:
    """The first entry that does not follow from the one before it, or None when the chain is whole."""
    previous = ""
    for entry in AuditEntry.objects.filter(team=team).order_by("id").iterator():
        if entry.previous_hash != previous or entry.hash != digest(entry):
            return entry
        previous = entry.hash
    return None
