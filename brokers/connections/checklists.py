"""The checklist of a connection, from what is on record of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from brokers.domain.help.checklists import Check, Seen, checklist
from brokers.domain.sessions import Environment, SessionStatus
from brokers.models import BrokerageAccount, Connection, ContractLookup

# A quarrel older than this is over.
REMEMBERED = timedelta(days=7)


def checklist_of(connection: Connection, now: datetime) -> list[Check]:
    """What it needs, ticked where the record says so."""
    events = connection.session_events.filter(at__gt=now - REMEMBERED)
    shared = events.filter(status=SessionStatus.COMPETING).order_by("-at").values_list("at", flat=True).first()
    papers = BrokerageAccount.objects.filter(
        team_id=connection.team_id, is_paper=True, connection__environment=Environment.PAPER
    )
    return checklist(
        Seen(
            environment=Environment(connection.environment),
            paper_connected=papers.exists(),
            accounts=[account.capabilities for account in connection.accounts.all()],
            was_active=connection.session_status == SessionStatus.ACTIVE or _was_active(connection),
            shared_at=shared,
            quoted=ContractLookup.objects.filter(connection=connection, quote_flags__startswith="R").exists(),
        )
    )


def _was_active(connection: Connection) -> bool:
    """Whether it ever could trade: `last_kept_at` alone is forgotten while a session is in doubt."""
    seen = connection.last_kept_at is not None or connection.proved_at is not None
    return seen or connection.session_events.filter(status=SessionStatus.ACTIVE).exists()
