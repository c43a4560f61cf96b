"""One thing that a lane has done beside its work, as a task of its own: what is to leave does not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from accounts.loops import endings


class Errand:
    """One task at a time, whose end wakes the lane where it is to look again.

    `survives` runs the work to its end, whatever fails in it, and says after how many seconds to look again, 0 for "when
    woken". `wake` is the lane's.
    """

    def __init__(self, wake: asyncio.Event, survives: Callable[[Awaitable[float]], Awaitable[float]]) -> None:
        self._wake, self._survives = wake, survives
        self._task: asyncio.Task[None] | None = None
        self._rest: asyncio.TimerHandle | None = None
        # At its end the lane looks again: since more was asked for meanwhile, or since what was read may let something go on.
        self._again = self._wakes = False

    @property
    def is_under_way(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way, and nothing is due later."""
        return self._rest is None and not self.is_under_way

    def begin(self, work: Callable[[], Awaitable[float]], *, wakes: bool = False) -> None:
        """Begin some work, while none is under way. `wakes`: when it is done the lane looks again."""
        self._stop_resting()
        self._again, self._wakes = False, wakes
        self._task = asyncio.create_task(self._run(work))

    def look_again(self) -> None:
        """Have the lane look again at once when what is under way has ended, however it ends."""
        self._again = True

    async def stop(self) -> None:
        """End what is under way: whatever it was to find out is found out by the next one."""
        self._stop_resting()
        if self._task is not None:
            await endings.end([self._task])

    async def _run(self, work: Callable[[], Awaitable[float]]) -> None:
        wait = await self._survives(work())
        if self._again or (self._wakes and not wait):
            self._wake.set()
        elif wait:
            self._rest = asyncio.get_running_loop().call_later(wait, self._wake_up)

    def _wake_up(self) -> None:
        self._rest = None
        self._wake.set()

    def _stop_resting(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
