"""Looking at real processes: poll with a deadline, never sleep for luck."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from brokers.tests.pauses import pauses


def eventually(done: Callable[[], object], seconds: float = 60) -> bool:
    """Poll until it is so, or give up."""
    deadline, pause = time.monotonic() + seconds, pauses()
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(next(pause))
    return True


def arrives(count: Callable[[], int], goal: int, still: float = 60) -> bool:
    """Poll until the count is the goal, or give up after `still` seconds in which it stood: a busy machine is slow."""
    before, deadline = count(), time.monotonic() + still
    while before != goal:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
        now = count()
        if now != before:
            before, deadline = now, time.monotonic() + still
    return True


def is_alive(pid: int) -> bool:
    """Whether it runs; one that ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def outside(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a shell in which no server was named."""
    named = ("DATABASE_URL", "REDIS_URL", "HALYARD_GATEWAY_URL", "HALYARD_SELF_CONTAINED", "HOST", "PORT")
    kept = {name: value for name, value in os.environ.items() if name not in named}
    return {**kept, "HALYARD_DATA": str(folder), **more}


@contextmanager
def senders(number: int) -> Iterator[ThreadPoolExecutor]:
    """So many who send at once; where a test fails they begin nothing more, though hundreds wait for their turn."""
    pool = ThreadPoolExecutor(number)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
