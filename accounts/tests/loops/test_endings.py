"""A task ends although its cancellation gets lost, and nothing in the product waits in the way that loses one."""

from __future__ import annotations

import asyncio

import pytest

from accounts.loops import endings


async def test_a_task_that_loses_its_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "AGAIN_SECONDS", 0.01)
    lost = 0

    async def goes_on() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                lost += 1
                if lost == 3:
                    raise

    task = asyncio.create_task(goes_on())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await endings.end([task])
    assert task.cancelled()
    assert lost == 3


async def test_a_task_that_says_goodbye_is_not_cut_off() -> None:
    said = asyncio.Event()

    async def leaves() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            said.set()

    task = asyncio.create_task(leaves())
    await asyncio.sleep(0)
    await endings.end([task])
    assert said.is_set()


async def test_tasks_that_are_over_or_fail_are_no_fault_of_who_ends_them() -> None:
    unheeded: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheeded.append(context["message"]))

    async def fails(seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            raise LookupError

    tasks = [asyncio.create_task(fails(seconds)) for seconds in (0.0, 3600.0)]
    await asyncio.sleep(0.01)
    await endings.end(tasks)
    assert all(task.done() for task in tasks)
    del tasks
    assert unheeded == []
    await endings.end([])
