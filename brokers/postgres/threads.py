"""Database work of an asyncio process: short synchronous functions on a few threads, around one await to the broker."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connection

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A small pool of threads, each with a database connection from Django's pool while it works."""

    def __init__(self, size: int = 6) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="database")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on a thread; its database connection goes back to the pool afterwards."""
        call = functools.partial(_returning, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self, *, wait: bool = True) -> None:
        """End the threads; without waiting, one that hangs keeps nobody."""
        self._pool.shutdown(wait=wait, cancel_futures=not wait)


def _returning(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    finally:
        # Back to the pool, which also notices a connection that has broken meanwhile.
        connection.close()
