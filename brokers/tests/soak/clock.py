"""A clock that jumps: an event loop in which time passes only where nothing is left to do.

A wait of thirty seconds takes as long as what happens meanwhile. Work on threads and questions to Postgres are real: while
they last, no time passes. What is said over loopback arrives before the clock moves on.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from unittest import mock

import psycopg
import time_machine

from brokers.postgres.locks import Locks

T = TypeVar("T")
# So long real time is given to what was just sent, before the clock jumps.
GRACE = 0.0003
A_TURN = 1e-6
# Longer than any real work: the loop is woken when it ends.
_REAL_WAIT = 1.0


class _Selector(selectors.DefaultSelector):
    """Waits in no time, unless real work is under way."""

    loop: JumpingLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self.loop
        # Work takes a little: who waits for a moment between two others must not wait for good.
        loop.pass_by(A_TURN)
        events = super().select(0)
        if events or timeout == 0:
            loop.is_stirred = True
            return events
        if loop.under_way or timeout is None:
            return super().select(_REAL_WAIT)
        if loop.is_stirred:
            loop.is_stirred = False
            if events := super().select(GRACE):
                return events
        loop.jump(timeout)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """`begins` is the time of day at which it starts."""

    def __init__(self, begins: datetime) -> None:
        selector = _Selector()
        selector.loop = self
        self._at = time.monotonic()
        self._began, self.begins = self._at, begins
        self.is_stirred = True
        self.under_way = 0
        self.traveller: Callable[[datetime], None] = lambda _: None
        super().__init__(selector)

    def time(self) -> float:
        return self._at

    def now(self) -> datetime:
        """The time of day by this clock."""
        return self.begins + timedelta(seconds=self._at - self._began)

    def pass_by(self, seconds: float) -> None:
        self._at += seconds

    def jump(self, seconds: float) -> None:
        self.pass_by(seconds)
        self.traveller(self.now())

    @contextlib.contextmanager
    def real_work(self) -> Iterator[None]:
        """No time passes meanwhile."""
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self.under_way += 1
        # The thread goes on where its caller was canceled; what it writes is there before time passes.
        future.add_done_callback(lambda _: self._over())
        return future

    def _over(self) -> None:
        self.under_way -= 1


def run(story: Coroutine[Any, Any, T], begins: datetime) -> T:
    """Run a story on a jumping clock, which everything in this process goes by meanwhile."""
    loop = JumpingLoop(begins)
    with time_machine.travel(begins, tick=False) as traveller, mock.patch("time.monotonic", loop.time):
        loop.traveller = traveller.move_to
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(story)


class _Counted:
    """A session of Postgres during whose questions no time passes."""

    def __init__(self, session: psycopg.AsyncConnection[Any], loop: JumpingLoop) -> None:
        self._session, self._loop = session, loop

    async def execute(self, *question: Any) -> Any:
        with self._loop.real_work():
            return await self._session.execute(*question)


def locks_of(session: psycopg.AsyncConnection[Any]) -> Locks:
    """Locks that a session holds, asked for in no time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    return Locks(_Counted(session, loop))  # type: ignore[arg-type]


def moment() -> datetime:
    """Now, by the clock that everything goes by."""
    return datetime.now(UTC)
