"""A thread beside the drain, in which the turns of teams that do much are taken: who comes seldom stands behind none of them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from django.db import connection

from brokers.postgres.away import AWAY

Result = TypeVar("Result")

# For so long a turn stands still for others in all, its transaction open and its team's rows locked.
LONGEST_PAUSE = 0.2  # seconds


class Aside(Generic[Result]):
    """One turn at a time, in a thread of its own. `told`: called in that thread when a turn has ended, whoever waits for that.

    Made, asked and closed by one thread, the drain's.
    """

    def __init__(self, told: Callable[[], object]) -> None:
        self._told = told
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aside")
        self._under_way: tuple[int, Future[Result]] | None = None
        # Set while nobody else's turn is under way.
        self.free = threading.Event()
        self.free.set()

    @contextlib.contextmanager
    def waits(self) -> Iterator[None]:
        """The turn beside stands still meanwhile, before its next statement, so that two do not share one interpreter."""
        self.free.clear()
        try:
            yield
        finally:
            self.free.set()

    def begin(self, team: int, turn: Callable[[], Result]) -> None:
        """Take the team's turn; nothing else is under way."""
        assert self._under_way is None, "a turn is under way"
        taken = self._thread.submit(self._take, turn)
        self._under_way = (team, taken)
        taken.add_done_callback(self._tell)

    def ended(self) -> tuple[int, Result] | None:
        """The team whose turn has ended, with what came of it, once. Raises what the turn raised."""
        if self._under_way is None or not self._under_way[1].done():
            return None
        (team, turn), self._under_way = self._under_way, None
        return team, turn.result()

    def close(self) -> None:
        """Wait for the turn that is under way, whatever comes of it."""
        self._thread.submit(_give_back)
        self._thread.shutdown()

    def _take(self, turn: Callable[[], Result]) -> Result:
        try:
            with connection.execute_wrapper(pauses(self.free)):
                return turn()
        except BaseException:
            # The next turn begins with a connection that lives.
            connection.close()
            raise

    def _tell(self, _: object) -> None:
        # Who is not told looks by itself within a second.
        with contextlib.suppress(*AWAY):
            self._told()


def _give_back() -> None:
    """Of the thread that calls: each has its own connection."""
    connection.close()


def pauses(free: threading.Event) -> Callable[..., Any]:
    """Runs each statement of a turn once `free` is set, or the turn has stood still for LONGEST_PAUSE."""
    left = LONGEST_PAUSE

    def paused(execute: Callable[..., Any], *statement: Any) -> Any:
        nonlocal left
        if left > 0 and not free.is_set():
            began = time.monotonic()
            free.wait(left)
            left -= time.monotonic() - began
        return execute(*statement)

    return paused
