"""The session's state in a connection's row: written in one place, each change with its event and its badge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from brokers import live
from brokers.domain.help.pages import page_of
from brokers.domain.sessions import Cause, SessionStatus
from brokers.models import Connection
from brokers.models import SessionEvent as Event


def _named(code: str) -> dict[str, object]:
    """What the evidence of a change says of its code, with the page that explains it."""
    page = page_of(code)
    return {name: word for name, word in (("code", code), ("help_page", page)) if word}


def session_is(
    connection: Connection,
    status: SessionStatus,
    reason: str,
    *,
    now: datetime,
    code: str = "",
    action: str = "",
    cause: Cause = Cause.PERSON,
    evidence: dict[str, object] | None = None,
    columns: Mapping[str, object] | None = None,
) -> bool:
    """Write the session's state; True when it changed. A change is one event with its cause, and a new badge.

    `code` names the reason and never changes; `columns` are what else of the row is written with it.
    """
    reason, action, code = reason[:300], action[:300], code[:40]
    # Nobody who has a transaction already goes on after a failure here.
    with transaction.atomic(savepoint=False):
        row = Connection.objects.select_for_update().get(pk=connection.pk)
        changed = (row.session_status, row.session_code) != (status, code)
        shown = changed or (row.session_reason, row.session_action) != (reason, action)
        values: dict[str, object] = {**(columns or {}), "session_status": status, "session_code": code}
        values |= {"session_reason": reason, "session_action": action}
        if changed:
            values["session_changed_at"] = now
        if row.turned_at is None or (row.session_status == SessionStatus.ACTIVE) != (status is SessionStatus.ACTIVE):
            values["turned_at"] = now
        Connection.objects.filter(pk=connection.pk).update(**values)
        if changed:
            Event.objects.create(
                connection=row,
                status=status,
                code=code,
                cause=cause,
                reason=reason,
                evidence={**(evidence or {}), **_named(code)},
                at=now,
            )
        if shown:
            live.session_changed(connection)
    for name, value in values.items():
        setattr(connection, name, value)
    return shown
