"""The wish that IBKR be told anew which questions it need not ask: a column of the connection, so that it is never lost."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from brokers.domain.sessions import SessionStatus
from brokers.models import Connection
from brokers.postgres.notices import ORDERS_CHANNEL, notify


def wish(connections: QuerySet[Connection], now: datetime) -> None:
    """Have these connections tell IBKR: at once where the session is open, else once it is."""
    rows = connections.filter(enabled=True)
    rows.update(suppression_wanted_at=now)
    if active := rows.filter(session_status=SessionStatus.ACTIVE).values_list("pk", flat=True):
        notify(ORDERS_CHANNEL, ",".join(map(str, active)))


def due(now: datetime) -> QuerySet[Connection]:
    """Connections that have to tell IBKR now. Nobody signs in for that."""
    return Connection.objects.filter(enabled=True, session_status=SessionStatus.ACTIVE, suppression_wanted_at__lte=now)


def keep_asking(team_id: int, now: datetime) -> None:
    """IBKR has asked whether to cancel all open orders: its number is not suppressed any more in the team's sessions."""
    wish(Connection.objects.filter(team=team_id, suppresses_questions=True), now)
