"""A session's state as it is written down, what people chose for it, and the picture that a look gives. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from brokers.domain.session.resets import DEFAULT, Resets
from brokers.domain.sessions import Environment, Ownership, Region, SessionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What people chose for the connection, and what waits to leave by it."""

    environment: Environment
    region: Region = Region.NORTH_AMERICA
    resets: Resets = DEFAULT
    ownership: Ownership = Ownership.ALWAYS
    polite_minutes: int = 30
    exit_due: bool = False
    # Whether a person signs in at a gateway's page; keys sign in by themselves.
    by_person: bool = True
    # Of keys: whether they are the operator's, whom the user lets in at IBKR; and whether IBKR ever took them.
    by_operator: bool = False
    has_signed: bool = False

    @property
    def simulated(self) -> bool:
        return self.environment is Environment.SIMULATED


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A session's state as it is written down; the next one follows from it and from what is seen next.

    `since`: when it became this state; `tries`: looks since it last could trade; `opens`: sign-ins since then;
    `left_until`: until when it is left to another login; `taken`: when it was taken back lately.
    """

    status: SessionStatus
    code: str
    since: datetime
    reason: str = ""
    action: str = ""
    tries: int = 0
    next_try_at: datetime | None = None
    opens: int = 0
    opened_at: datetime | None = None
    left_until: datetime | None = None
    taken: tuple[datetime, ...] = ()

    @property
    def can_trade(self) -> bool:
        return self.status is SessionStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class Picture:
    """What a look shows: the state's word, its code, and its sentences where the code's own do not say all."""

    status: SessionStatus
    code: str
    reason: str = ""
    action: str = ""
