"""Sessions that begin together begin in turns: ten thousand after a restart are opened by a few at a time, and no faster
than the process keeps up with those that are open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

# So many are opened at once: each waits mostly for IBKR, and together they keep the process busy.
AT_ONCE = 50
# A gateway that hangs, or a session that somebody else has, holds up the next one for so long.
LONGEST_TURN = 3.0
# A process that comes so much later than it meant to has more to do than it can: its open sessions would be lost for
# the sake of the next one. Seconds.
LATE = 0.25
# How often that is measured, and how long a process that is always late keeps the next one waiting. Seconds.
STEP, LONGEST_WAIT = 0.005, 0.5


class Openings:
    """The line of sessions that are to begin."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._gate = asyncio.Lock()

    async def turn(self) -> Callable[[], None]:
        """Wait for this one's turn to begin, in the order of asking; what is returned says that it is open, or is not to be."""
        await self._slots.acquire()
        over = False

        def end() -> None:
            nonlocal over
            if not over:
                over = True
                timer.cancel()
                self._slots.release()

        try:
            await self.keeps_up()
        except BaseException:
            self._slots.release()
            raise
        timer = asyncio.get_running_loop().call_later(LONGEST_TURN, end)
        return end

    async def keeps_up(self) -> None:
        """Wait, one after the other, until the process is on time with what it has, or for half a second."""
        async with self._gate:
            give_up = time.monotonic() + LONGEST_WAIT
            while (began := time.monotonic()) < give_up:
                await asyncio.sleep(STEP)
                if time.monotonic() - began - STEP < LATE:
                    return
