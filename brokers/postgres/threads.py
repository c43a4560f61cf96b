"""Database work of an asyncio process: short synchronous functions on a few threads, around one await to the broker."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from django.db import connection

from accounts.turns import Turns

P = ParamSpec("P")
T = TypeVar("T")

# The team for which a task and those that it begins work; 0 is the process itself.
TEAM: ContextVar[int] = ContextVar("team that a task works for", default=0)


class Threads:
    """A small pool of threads, each with a database connection from Django's pool while it works. Of one event loop.

    Teams take turns at them: a team with a thousand connections makes another wait for one call of its own.
    """

    def __init__(self, size: int = 6) -> None:
        self._free = size
        self._waiting = Turns[int, asyncio.Future[None]]()
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="database")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on a thread; its database connection goes back to the pool afterwards."""
        call = functools.partial(_returning, function, *args, **kwargs)
        loop = asyncio.get_running_loop()
        await self._turn(loop)
        try:
            return await loop.run_in_executor(self._pool, call)
        finally:
            self._let_next()

    async def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for a free thread, which is the caller's from then on."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.put(TEAM.get(), turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._let_next()
            raise

    def _let_next(self) -> None:
        """Give a thread to the next who waits."""
        while self._waiting:
            turn = self._waiting.take()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def close(self, *, wait: bool = True) -> None:
        """End the threads; without waiting, one that hangs keeps nobody."""
        self._pool.shutdown(wait=wait, cancel_futures=not wait)


def _returning(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    finally:
        # Back to the pool, which also notices a connection that has broken meanwhile.
        connection.close()
