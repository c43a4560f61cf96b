"""What a connection to IBKR needs, ticked where Halyard can look. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from brokers.domain.capabilities import Capabilities
from brokers.domain.sessions import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What Halyard has seen of a connection. `shared_at`: when another login of its user last took the session."""

    environment: Environment
    paper_connected: bool
    accounts: Sequence[Capabilities]
    was_active: bool
    shared_at: datetime | None
    quoted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line: done, not done, or None where nobody can say yet. `page` explains what to do."""

    text: str
    done: bool | None
    page: str


def checklist(seen: Seen) -> list[Check]:
    """The lines of a connection, in the order in which a person meets them."""
    known = bool(seen.accounts)
    lines = [
        Check(
            text="A paper account of the team has been connected, to try strategies on",
            done=seen.paper_connected,
            page="paper-account",
        ),
        Check(text="IBKR has opened a session for this user", done=seen.was_active or None, page="sign-in"),
        Check(
            text="IBKR has shown the user's accounts, and they are IBKR Pro",
            done=not any(each.lite for each in seen.accounts) if known else None,
            page="lite",
        ),
        Check(
            text="IBKR has said what the accounts may trade",
            done=any(each.classes for each in seen.accounts) if known else None,
            page="permissions",
        ),
        Check(
            text="Nobody else signs in with this user",
            done=_alone(seen),
            page="dedicated-user",
        ),
        Check(text="A live quote has come through this connection", done=seen.quoted or None, page="market-data"),
    ]
    return lines if seen.environment is not Environment.SIMULATED else lines[1:4]


def _alone(seen: Seen) -> bool | None:
    if seen.shared_at is not None:
        return False
    return True if seen.was_active else None
