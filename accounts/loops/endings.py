"""The end of a task of an event loop, also of one that does not notice at first that it is to end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

# Longer than a goodbye to a gateway takes, which a second cancellation would cut off.
AGAIN_SECONDS = 5.0


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel these tasks, and return once all have ended; a result or an error of theirs is dropped.

    A cancellation can get lost: what lies between the task and what it waits for takes it for its own time-out, or has
    its answer at that very moment and goes on. So it is said again to those that still run after AGAIN_SECONDS.
    """
    running = set(tasks)
    for task in running:
        task.add_done_callback(_heed)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=AGAIN_SECONDS)


def _heed(task: asyncio.Task[Any]) -> None:
    """Nobody asks any more what it failed with, which asyncio would say in the log as a fault of the program."""
    if not task.cancelled():
        task.exception()
