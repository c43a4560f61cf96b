"""The token that signs a day of requests, and the shelf where every process finds the same one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

# IBKR's tokens last a day; a new one is asked for this long before, or earlier in the life of a short one.
RENEW_BEFORE = timedelta(hours=1)


class KeyStep(StrEnum):
    """How far the making of a set of keys is."""

    WAITING = "waiting"
    SIGNATURE = "signature"
    ENCRYPTION = "encryption"
    PRIME = "prime"
    MADE = "made"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveToken:
    """A live session token: IBKR's for one user of one consumer. `value` never appears in a repr or a log."""

    value: bytes = field(repr=False)
    made_at: datetime
    expires_at: datetime

    def in_force(self, now: datetime) -> bool:
        """Whether it may still sign."""
        return now < self.expires_at

    def is_due(self, now: datetime) -> bool:
        """Whether it is time for a new one, although this one may be in force."""
        return now >= self.expires_at - min(RENEW_BEFORE, (self.expires_at - self.made_at) / 24)


MakeToken = Callable[[], Awaitable[LiveToken]]


class TokenShelf(Protocol):
    """Keeps the live session token of one login for all processes. The token is made once, for the first process that asks."""

    async def token(self, *, make: MakeToken, refused: LiveToken | None = None) -> LiveToken:
        """The token in force; `make` is called where there is none, or only the one that was refused."""
        ...
