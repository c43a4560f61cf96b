"""Who owns a connection's session: what happens when another login of the same user takes it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.models import User
from brokers import live
from brokers.connections.connections import QUICK_AGAIN, ConnectionRefused, wake
from brokers.domain.session import takeovers
from brokers.domain.sessions import Ownership, SessionStatus
from brokers.models import Connection

LONGEST_MINUTES = 1440


@transaction.atomic
def choose(*, connection: Connection, ownership: str, minutes: int | None, actor: User | None, now: datetime) -> None:
    """Yield the session to others, leave it to them for a while, or always take it."""
    if ownership not in list(Ownership):
        raise ConnectionRefused("Choose yield, polite or always.", "unknown-ownership")
    chosen = Ownership(ownership)
    row = Connection.objects.select_for_update().get(pk=connection.pk)
    minutes = row.polite_minutes if minutes is None else minutes
    if not 1 <= minutes <= LONGEST_MINUTES:
        raise ConnectionRefused(
            f"A session can be left to a person for 1 to {LONGEST_MINUTES} minutes.", "invalid-polite-minutes"
        )
    values: dict[str, object] = {"ownership": chosen, "polite_minutes": minutes}
    if row.session_status == SessionStatus.COMPETING:
        # It holds for the login that has the session now.
        values |= {"left_until": takeovers.left_until(chosen, minutes, now), "next_try_at": now}
    Connection.objects.filter(pk=connection.pk).update(**values)
    subject = f"{connection.username}: {chosen}" + (f", {minutes} minutes" if chosen is Ownership.POLITE else "")
    audit.record(team=connection.team, actor=actor, action="connection.owned", subject=subject, now=now)
    live.session_changed(connection)
    wake()


@transaction.atomic
def take_back(*, connection: Connection, actor: User | None, now: datetime) -> bool:
    """Take the session back from another login as soon as the limits allow; False when nobody else has it."""
    row = Connection.objects.select_for_update().get(pk=connection.pk)
    if not row.enabled or row.session_status != SessionStatus.COMPETING:
        return False
    values: dict[str, object] = {**QUICK_AGAIN, "left_until": now, "next_try_at": now}
    Connection.objects.filter(pk=connection.pk).update(**values)
    audit.record(team=connection.team, actor=actor, action="connection.taken", subject=connection.username, now=now)
    wake()
    return True
