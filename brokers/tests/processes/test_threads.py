"""Threads for the database: teams take turns at them."""

from __future__ import annotations

import asyncio
import threading

from brokers.postgres.threads import TEAM, Threads


async def work_for(threads: Threads, team: int, served: list[int]) -> None:
    TEAM.set(team)
    await threads.run(served.append, team)


async def all_busy(threads: Threads, goes_on: threading.Event, count: int) -> list[asyncio.Task[bool]]:
    """So many threads wait for the event."""
    tasks = [asyncio.create_task(threads.run(goes_on.wait, 10)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_a_team_with_a_thousand_lanes_makes_another_wait_for_one_call_of_its_own() -> None:
    threads, goes_on, served = Threads(size=1), threading.Event(), list[int]()
    busy = await all_busy(threads, goes_on, 1)
    crowd = [asyncio.create_task(work_for(threads, 1, served)) for _ in range(1000)]
    await asyncio.sleep(0)
    other = [asyncio.create_task(work_for(threads, 2, served)) for _ in range(2)]
    await asyncio.sleep(0)
    goes_on.set()
    await asyncio.gather(*busy, *crowd, *other)
    assert served[:4] == [1, 2, 1, 2]
    threads.close()


async def test_who_gives_up_waiting_takes_no_thread_along() -> None:
    threads, goes_on, served = Threads(size=2), threading.Event(), list[int]()
    busy = await all_busy(threads, goes_on, 2)
    canceled = [asyncio.create_task(work_for(threads, 1, served)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in canceled:
        task.cancel()
    await asyncio.gather(*canceled, return_exceptions=True)
    goes_on.set()
    await asyncio.gather(*busy)
    await asyncio.gather(*(work_for(threads, team, served) for team in range(8)))
    assert sorted(served) == list(range(8))
    threads.close()


async def test_a_call_that_fails_frees_its_thread() -> None:
    threads = Threads(size=1)

    def fails() -> None:
        raise ValueError

    for _ in range(3):
        try:
            await threads.run(fails)
        except ValueError:
            continue
    assert await threads.run(lambda: 5) == 5
    threads.close()
