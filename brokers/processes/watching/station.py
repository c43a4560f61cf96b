"""What the watches of a process share, and what others ask of one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from accounts.turns import Allowances
from brokers.domain.brokerage import OpenBrokerage
from brokers.domain.session.feed import OpenFeed
from brokers.postgres.locks import Locks
from brokers.postgres.threads import Threads
from brokers.processes.watching.in_flight import InFlight
from brokers.processes.watching.kept import Kept
from brokers.processes.watching.openings import Openings

# News of orders and fills that a team has brought home at once, and then a second, before it floods beside others.
BROUGHT_AT_ONCE, BROUGHT_A_SECOND = 10, 5


class Station(Protocol):
    """What the watches of a process share. `brought`: whose news was brought home, each time that it was."""

    open_brokerage: OpenBrokerage
    open_feed: OpenFeed
    threads: Threads
    locks: Locks
    clock: Callable[[], datetime]
    in_flight: InFlight
    in_use: frozenset[int]
    kept: Kept
    openings: Openings
    brought: Allowances


def brought() -> Allowances:
    """Whose news a process brings home, before it has brought any."""
    return Allowances(BROUGHT_AT_ONCE, BROUGHT_A_SECOND)


class Errands:
    """What is to be done before the time that a watch sleeps for."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        # A look at the session is due by its row, which somebody may have brought forward.
        self.due = False
        # Accounts whose book is to be read at once.
        self.dirty: set[int] = set()
        # When stops are to be looked at again, although nothing was heard.
        self.look_at: float | None = None
