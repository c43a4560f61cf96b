"""One session alive, and its story: sign in when needed, say what happened, tell the page."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from brokers.connections.connections import session_is
from brokers.domain.brokerage import BrokerError, BrokerUnavailable, LoginRefused, Paused, SessionLost
from brokers.domain.sessions import AuthStatus, Environment, Region, SessionStatus, code_of, verdict
from brokers.models import Connection
from brokers.postgres.notices import ORDERS_CHANNEL, notify


def believed_active(connection: Connection, now: datetime) -> bool:
    """True while the last look at the session is recent and said that orders can be sent."""
    if connection.session_status != SessionStatus.ACTIVE or connection.last_kept_at is None:
        return False
    return now - connection.last_kept_at < timedelta(seconds=settings.KEEP_SECONDS * 1.5)


@transaction.atomic
def kept(connection: Connection, auth: AuthStatus, now: datetime) -> SessionStatus:
    """Write what the broker says of the session; lanes are woken when it has become active."""
    status, reason = verdict(
        auth, now, environment=Environment(connection.environment), region=Region(connection.region)
    )
    evidence: dict[str, object] = {
        "authenticated": auth.authenticated,
        "connected": auth.connected,
        "competing": auth.competing,
        "established": auth.established,
        "message": auth.message,
    }
    if status is SessionStatus.ACTIVE:
        if not Connection.objects.filter(pk=connection.pk, enabled=True).update(last_kept_at=now):
            # Switched off while we asked: its own sentence stays.
            return SessionStatus.SIGNED_OUT
        connection.last_kept_at = now
    code = code_of(auth, status)
    if session_is(connection, status, reason, now=now, code=code, evidence=evidence) and status is SessionStatus.ACTIVE:
        notify(ORDERS_CHANNEL, str(connection.pk))
    return status


@transaction.atomic
def failed(connection: Connection, error: BrokerError, now: datetime) -> SessionStatus:
    """Write why the broker could not be used."""
    if not Connection.objects.select_for_update().filter(pk=connection.pk, enabled=True):
        # Switched off while we asked: its own sentence stays.
        return SessionStatus.SIGNED_OUT
    match error:
        case LoginRefused():
            status = SessionStatus.REFUSED
        case SessionLost():
            status = SessionStatus.SIGNED_OUT
        case Paused():
            status = SessionStatus.PAUSED
        case BrokerUnavailable():
            status = SessionStatus.UNREACHABLE
        case _:
            status = SessionStatus.SIGNED_OUT
    evidence: dict[str, object] = {"error": type(error).__name__}
    if isinstance(error, Paused):
        evidence["code"] = error.code
    if isinstance(error, LoginRefused) and error.help_page:
        evidence["help_page"] = error.help_page
    session_is(connection, status, str(error), now=now, code=error.code, evidence=evidence)
    return status


def failed_by_key(connection_pk: int, error: BrokerError, now: datetime) -> SessionStatus:
    """As `failed`, on the connection's row as it is now."""
    return failed(Connection.objects.get(pk=connection_pk), error, now)
