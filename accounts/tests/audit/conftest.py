"""A chain to look at."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from accounts import audit
from accounts.models import AuditEntry, Team, User


@pytest.fixture
def chain(team: Team, alice: User, now: datetime) -> list[AuditEntry]:
    """Five entries: the founding, and four of our own."""
    for number in range(1, 5):
        audit.record(
            team=team,
            actor=alice,
            action="thing.changed",
            subject=f"thing {number}",
            now=now + timedelta(minutes=number),
            before={"a": number, "b": None},
            after={"b": [1.5, "é"], "a": True},
        )
    return list(AuditEntry.objects.filter(team=team).order_by("number"))
