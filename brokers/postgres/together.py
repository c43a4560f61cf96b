"""Work with the database that many tasks of a process ask for at once, done in one call for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from accounts.turns import Turns
from brokers.postgres.threads import TEAM, Threads

Item = TypeVar("Item")
Result = TypeVar("Result")


class Together(Generic[Item, Result]):
    """Hands what waits to `work`, on a thread, one batch at a time; what comes meanwhile is the next batch.

    Of one event loop. Nobody waits for a timer: a batch is what waits when the one before it is done. Teams take turns at
    a place in it. `work` gives a result for each item, in their order; where it raises, all of its batch get the error.
    Who waits without company gets `alone`, at no cost.
    """

    def __init__(
        self, threads: Threads, work: Callable[[Sequence[Item]], Sequence[Result]], *, most: int, alone: Result
    ) -> None:
        self._threads, self._do, self._most, self._alone = threads, work, most, alone
        self._waiting = Turns[int, tuple[Item, asyncio.Future[Result]]]()
        self._working: asyncio.Task[None] | None = None
        self._is_begun = False

    async def ask(self, item: Item) -> Result:
        """The result for an item, once its batch is done."""
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.put(TEAM.get(), (item, result))
        if not self._is_begun:
            self._is_begun = True
            # It begins once everybody who was woken with us has asked.
            asyncio.get_running_loop().call_soon(self._begin)
        return await result

    def _begin(self) -> None:
        if len(self._waiting) > 1:
            self._working = asyncio.create_task(self._work())
            return
        self._is_begun = False
        _, result = self._waiting.take()
        if not result.done():
            result.set_result(self._alone)

    async def _work(self) -> None:
        TEAM.set(0)
        try:
            while self._waiting:
                taken = [self._waiting.take() for _ in range(min(len(self._waiting), self._most))]
                # Who has gone is asked for no more: what is written down for it would never leave.
                if batch := [(item, result) for item, result in taken if not result.done()]:
                    await self._serve(batch)
        finally:
            self._is_begun = False

    async def _serve(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        if len(batch) == 1:
            batch[0][1].set_result(self._alone)
            return
        try:
            results = await self._threads.run(self._do, [item for item, _ in batch])
        except BaseException as error:
            for _, result in batch:
                if not result.done():
                    result.cancel() if isinstance(error, asyncio.CancelledError) else result.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, result), value in zip(batch, results, strict=True):
            if not result.done():
                result.set_result(value)
