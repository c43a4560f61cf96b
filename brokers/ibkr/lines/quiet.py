"""A line on which nothing comes: noticed with one timer for many messages, because ten thousand lines beat all day."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from brokers.domain.calls import together


class Silence:
    """Calls `end` once somebody has waited for a message for so many seconds. To be entered on the loop that waits.

    A process that stood still, or has more to do than it can, looks at its clock before it reads what has come: it judges
    only by a second look that comes on time, or once the silence has lasted three times as long.
    """

    def __init__(self, seconds: float, end: Callable[[], None]) -> None:
        self._seconds, self._end = seconds, end
        self._since: float | None = None
        self._looked = False
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def __enter__(self) -> Self:
        self._set(self._seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @property
    def waits(self) -> bool:
        """Whether somebody waits for a message now."""
        return self._since is not None

    def begins(self) -> None:
        """Somebody waits for the next message from now on."""
        self._since = time.monotonic()

    def ends(self) -> None:
        """It has come. What is done with it takes as long as it takes."""
        self._since = None

    def _look(self) -> None:
        now = time.monotonic()
        lasted = 0.0 if self._since is None else now - self._since
        if lasted < self._seconds:
            # Seldom late: a line that beats is looked at once in a while, and one that does not at its very end.
            self._looked = False
            self._set(self._seconds - lasted)
            return
        late = now - self._due > self._seconds / 100
        if not self._looked or (late and lasted < 3 * self._seconds):
            self._looked = True
            self._set(self._seconds / 50)
            return
        self._timer = None
        self._end()

    def _set(self, seconds: float) -> None:
        # Looks of many lines at once cost less than as many one by one.
        at = together(time.monotonic() + seconds + 0.01, self._seconds / 50)
        self._due = at
        self._timer = asyncio.get_running_loop().call_later(at - time.monotonic(), self._look)
