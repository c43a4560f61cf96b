"""An order handed to its lane in memory: whoever opens its ticket, in a thread of the lane's own process, asks for the lane
first, writes the order down as leaving in the ticket's own transaction, and hands it over once that is committed.

A lane that is asked for holds its connection's lock until it is told what becomes of it. Where there is no such lane, or
anything else comes first, the order waits in its row for any lane, which the database wakes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Self

from django.db import connection as database

from brokers.connections import sessions
from brokers.models import Connection, Ticket
from brokers.orders.execution import Job
from brokers.orders.together.leaving import take_of_ticket
from brokers.postgres.notices import ORDERS_CHANNEL, notify

log = logging.getLogger(__name__)

# Whoever decides has read the book by then; a lane that is slower than this is woken by the database as well.
ANSWER_SECONDS = 0.05


class Reserved:
    """What is agreed on between a thread that asks for a connection's lane, and that lane. `answer`: called, in the thread
    that asked, with the order that the lane is to send, or with None."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.answer: Callable[[Job | None], None] = lambda job: None
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._ready = self._over = self._claimed = False

    # By the lane.

    def ready(self, answer: Callable[[Job | None], None]) -> bool:
        """The lane holds its lock; False where nobody waits for that any more."""
        with self._lock:
            if self._over:
                return False
            self.answer, self._ready = answer, True
        self._answered.set()
        return True

    def refuse(self) -> None:
        """The lane has something else to do."""
        self._answered.set()

    def take_back(self) -> bool:
        """The lane waits no longer; False where an order may be under way to it, for which it has to wait."""
        with self._lock:
            self._over = self._over or not self._claimed
            return self._over

    # By the thread that asked.

    def claim(self) -> bool:
        """Wait for the lane's word. From True on it waits for `answer`, however long that takes."""
        self._answered.wait(ANSWER_SECONDS)
        with self._lock:
            self._claimed = self._ready and not self._over
            self._over = self._over or not self._claimed
            return self._claimed

    def leave(self) -> None:
        """Nothing will be handed over: a lane that holds its lock lets go of it."""
        with self._lock:
            ready, self._over = self._ready and not self._over, True
        if ready:
            self.answer(None)


# Brings what is asked for to the lanes that work in this process; called in the thread that asks.
_LANES: list[Callable[[Reserved], object]] = []


@contextlib.contextmanager
def lanes_here(ask: Callable[[Reserved], object]) -> Iterator[None]:
    """Lanes work in this process: `ask` brings them what is asked for."""
    _LANES.append(ask)
    try:
        yield
    finally:
        _LANES.remove(ask)


class Handing:
    """One transaction's way to a lane, from before its first write until after its commit.

    with Handing() as handing, transaction.atomic():
        handing.ask(connection)
        ...                         # the ticket is opened, and its lane not told: `handing.asked`
        handing.take(ticket, now)   # or it is told here
    """

    def __init__(self) -> None:
        self._reserved: Reserved | None = None
        self._job: Job | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        reserved, self._reserved = self._reserved, None
        if reserved is None:
            return
        if self._job is None:
            reserved.leave()
        else:
            # Where the commit failed, nobody knows whether the row says "submitted": the lane's next look finds out.
            reserved.answer(self._job if error is None else None)

    @property
    def asked(self) -> bool:
        """Whether `take` tells the lane of the order."""
        return self._reserved is not None

    def ask(self, connection: Connection) -> None:
        """Ask for the lane of a connection, which may take its lock meanwhile. Only in the outermost transaction."""
        if not _LANES or self._reserved is not None or database.savepoint_ids:
            return
        self._reserved = Reserved(connection)
        for ask in tuple(_LANES):
            ask(self._reserved)

    def take(self, ticket: Ticket | None, now: datetime) -> None:
        """Write the ticket's one order down as leaving, where its lane waits for it and nothing comes first; otherwise the
        lane is told when the transaction commits. The last thing that a transaction does.
        """
        if self._reserved is None or ticket is None:
            return
        connection = self._reserved.connection
        if sessions.believed_active(connection, now) and self._reserved.claim():
            self._job = take_of_ticket(ticket, now)
        if self._job is None:
            notify(ORDERS_CHANNEL, str(connection.pk))
