"""Sessions that begin together begin in turns: ten thousand after a restart are opened by a few at a time."""

from __future__ import annotations

import asyncio

from brokers.postgres.threads import Threads

# While so many calls to the database wait, nobody begins: a call then waits for a few others and not for thousands.
MOST_WAITING = 24


class Openings:
    """The line of sessions that are to begin. Only our own work is waited for: a gateway that hangs holds up nobody."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._line = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until it is this one's turn to begin, in the order of asking."""
        async with self._line:
            await self._threads.until_fewer(MOST_WAITING)
