"""Group commit: what arrives while one batch is written forms the next. There is no timer to wait for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# For so long another one who sent is company, in which nobody's items fill a batch that others wait for.
LATELY_SECONDS = 10.0
# However many wait in all, each may have one in so many of these waiting.
OWN_PART = 100


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
    """Hands waiting items to `flush` in batches, one batch at a time: an item of each owner in turn, an owner's in order of
    arrival."""

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        size: Callable[[Item], int],
        most_waiting: int,
        most_in_a_batch: int,
        most_bytes_in_a_batch: int,
        owner: Callable[[Item], Hashable] = lambda item: None,
        most_of_one: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most_of_one`: of one owner's items in a batch while another one sends as well, who waits until it is written."""
        self._flush = flush
        self._size = size
        self._owner = owner
        self._most_waiting = most_waiting
        self._most_in_a_batch = most_in_a_batch
        self._most_of_one = most_of_one or most_in_a_batch
        self._most_bytes = most_bytes_in_a_batch
        self._clock = clock
        # Whose turn was last stands last.
        self._waiting: OrderedDict[Hashable, deque[tuple[Item, asyncio.Future[Result]]]] = OrderedDict()
        self._count = 0
        # Who sent last, and when somebody else did.
        self._last: Hashable = None
        self._last_at = self._company_at = -LATELY_SECONDS
        self._flushing: asyncio.Task[None] | None = None

    async def put(self, item: Item) -> Result:
        """The item's result, once its batch is through. Raises Full when too many wait; a flood's do not stand for others'."""
        owner, now = self._owner(item), self._clock()
        if self._count >= self._most_waiting and len(self._waiting.get(owner, ())) >= self._most_waiting // OWN_PART:
            raise Full
        if owner != self._last:
            self._last, self._company_at = owner, self._last_at
        self._last_at = now
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append((item, future))
        self._count += 1
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
        in_turn, taken, room = deque(self._waiting), Counter[Hashable](), self._most_bytes
        in_company = self._clock() - self._company_at < LATELY_SECONDS
        most_of_one = self._most_of_one if in_company else self._most_in_a_batch
        while in_turn and len(batch) < self._most_in_a_batch and (room > 0 or not batch):
            owner = in_turn.popleft()
            waiting = self._waiting[owner]
            batch.append(waiting.popleft())
            room -= self._size(batch[-1][0])
            taken[owner] += 1
            if not waiting:
                del self._waiting[owner]
                continue
            self._waiting.move_to_end(owner)
            if taken[owner] < most_of_one:
                in_turn.append(owner)
        self._count -= len(batch)
        return batch
