"""Group commit: what arrives while one batch is written forms the next. There is no timer to wait for."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Full(Exception):
    """More items wait already than can be stored in time."""


class Held:
    """The bytes of all bodies that are being read or wait: many large ones must not fill the memory of the process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[Hashable, int] = {}
        self.total = 0

    def hold(self, owner: Hashable, size: int) -> None:
        """Count these bytes as the owner's; raises Full when there is no room for them."""
        if self.total + size > self._most:
            raise Full
        self._of[owner] = self._of.get(owner, 0) + size
        self.total += size

    def release(self, owner: Hashable) -> None:
        """The owner is done with."""
        self.total -= self._of.pop(owner, 0)


class Batcher(Generic[Item, Result]):
    """Hands waiting items to `flush` in batches, one batch at a time, in order of arrival."""

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        size: Callable[[Item], int],
        most_waiting: int,
        most_in_a_batch: int,
        most_bytes_in_a_batch: int,
    ) -> None:
        self._flush = flush
        self._size = size
        self._most_waiting = most_waiting
        self._most_in_a_batch = most_in_a_batch
        self._most_bytes = most_bytes_in_a_batch
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._flushing: asyncio.Task[None] | None = None

    async def put(self, item: Item) -> Result:
        """The item's result, once its batch is through. Raises Full when too many wait."""
        if len(self._waiting) >= self._most_waiting:
            raise Full
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._work())
        return await future

    async def close(self) -> None:
        """Wait until everything taken is through."""
        while self._flushing is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self._flushing)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._one_batch()
        finally:
            self._flushing = None

    async def _one_batch(self) -> None:
        batch = self._take()
        try:
            results = await self._flush([item for item, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            # A sender that went away has cancelled its future; its item is stored all the same.
            if not future.done():
                future.set_result(result)

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        room = self._most_bytes
        while self._waiting and len(batch) < self._most_in_a_batch and (room > 0 or not batch):
            batch.append(self._waiting.popleft())
            room -= self._size(batch[-1][0])
        return batch
