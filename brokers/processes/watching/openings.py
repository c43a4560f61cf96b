"""Sessions that begin together begin in turns: ten thousand after a restart are opened by a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# So many are opened at once: each waits mostly for IBKR, and together they keep the process busy.
AT_ONCE = 50
# A gateway that hangs, or a session that somebody else has, holds up the next one for so long.
LONGEST_TURN = 3.0


class Openings:
    """The line of sessions that are to begin."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)

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

        timer = asyncio.get_running_loop().call_later(LONGEST_TURN, end)
        return end
