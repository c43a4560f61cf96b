"""Which orders of a connection may leave a second time, once it is proven that IBKR never had them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.models import User
from brokers.connections.connections import ConnectionRefused
from brokers.domain.doubts.verdicts import Resend
from brokers.models import Connection


@transaction.atomic
def choose(*, connection: Connection, resends: str, actor: User | None, now: datetime) -> Resend:
    """Keep the choice; raise ConnectionRefused where it is none."""
    if resends not in {str(each) for each in Resend}:
        raise ConnectionRefused("Choose which orders may be sent again: none, limit orders, or all.", "unknown-choice")
    locked = Connection.objects.select_for_update().select_related("team").get(pk=connection.pk)
    chosen = Resend(resends)
    if locked.resends != chosen:
        before, after = {"resends": locked.resends}, {"resends": str(chosen)}
        Connection.objects.filter(pk=locked.pk).update(resends=chosen)
        subject = locked.username
        audit.record(
            team=locked.team,
            actor=actor,
            action="connection.resends",
            subject=subject,
            before=before,
            after=after,
            now=now,
        )
    return chosen
