"""One connection to Valkey for many questions at once: one write, and as many answers as there were questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError


class Line:
    """A connection of its own, opened when it is first asked by. Not to be asked by two at a time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._open: AbstractConnection | None = None

    async def ask(self, commands: Sequence[bytes]) -> list[Any]:
        """The answers to packed commands; what the server refuses stands among them as its error.

        A line that broke off is not used again: what it still brings would be the answer to another question.
        """
        line = self._open or await self._opened()
        try:
            await line.send_packed_command(commands, check_health=False)
            answers = [await _answer(line) for _ in commands]
        except BaseException:
            self._open = None
            await line.disconnect(nowait=True)
            raise
        self._open = line
        return answers

    async def _opened(self) -> AbstractConnection:
        line: AbstractConnection = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        await line.connect()  # type: ignore[no-untyped-call]
        return line

    async def close(self) -> None:
        """End it."""
        if self._open is not None:
            await self._open.disconnect(nowait=True)


async def _answer(line: AbstractConnection) -> Any:
    try:
        return await line.read_response()
    except ResponseError as refused:
        return refused
