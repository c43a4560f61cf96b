"""Where an order's processor time goes: each statement of drain, lane and stream, ours and PostgreSQL's part apart."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

OURS = ("accounts.", "brokers.", "strategies.")
# They carry a statement for somebody, whose name says more.
CARRIERS = ("brokers.postgres.", "accounts.plans.")
REST = "between statements; BEGIN and COMMIT"

Spent = tuple[float, float]  # microseconds of processor: of this thread, and of PostgreSQL's process that serves it


def trace(one_order: Callable[[Callable[[Callable[[], object]], float]], object], orders: int) -> None:
    """Print what each statement of a step took, medians of so many orders. `one_order` has each step watched."""
    samples: dict[tuple[int, int, str], list[Spent]] = defaultdict(list)
    for _ in range(orders):
        step = 0

        def watched(work: Callable[[], object]) -> float:
            nonlocal step
            for number, (what, spent) in enumerate(_watch(work)):
                samples[step, number, what].append(spent)
            step += 1
            return 0.0

        one_order(watched)
    print(f"{'':4}{'ours':>7}{'PostgreSQL':>12}  µs of processor, medians of {orders} orders")
    for (step, _, what), spent in sorted(samples.items()):
        # What came now and then, where an order went another way, is left out.
        if len(spent) > orders / 2:
            ours, theirs = (median(values) for values in zip(*spent, strict=True))
            print(f"{('drain', 'lane', 'stream', 'book')[step]:6}{ours:5.0f}{theirs:12.0f}  {what}")


def _watch(work: Callable[[], object]) -> list[tuple[str, Spent]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [server] = cursor.fetchone()
    found: list[tuple[str, Spent]] = []
    looking = 0.0

    def note(execute: Any, *values: Any) -> Any:
        nonlocal looking
        came, began_there = time.thread_time(), processor_of(server)
        began = time.thread_time()
        result = execute(*values)
        spent = time.thread_time() - began
        found.append((_asked_by(), (spent * 1e6, processor_of(server) - began_there)))
        looking += time.thread_time() - came - spent
        return result

    began, began_there = time.thread_time(), processor_of(server)
    with connection.execute_wrapper(note):
        work()
    whole = ((time.thread_time() - began - looking) * 1e6, processor_of(server) - began_there)
    rest = tuple(all_of_it - sum(spent[who] for _, spent in found) for who, all_of_it in enumerate(whole))
    return [*found, (REST, (rest[0], rest[1]))]


def processor_of(process: int) -> float:
    """The microseconds for which a process has run, as the kernel's scheduler counts them."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1000


def _asked_by() -> str:
    """The innermost of our functions that asks for a statement."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(OURS) and not module.startswith(CARRIERS):
            return f"{module}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "?"
