"""Group commit: what arrives while one batch is written forms the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest
from django.utils import timezone

from strategies.webhook.batches import LATELY_SECONDS, Batcher, Full
from strategies.webhook.delivery import Delivery
from strategies.webhook.door import Door


class Writer:
    """Notes the batches it is given; each waits for its `go`."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()

    async def flush(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        await self.go.wait()
        if 13 in batch:
            raise RuntimeError("thirteen")
        return [item * 10 for item in batch]


def batcher(writer: Writer, *, most_waiting: int = 100, most: int = 100, most_bytes: int = 1000) -> Batcher[int, int]:
    return Batcher(
        writer.flush,
        size=lambda item: item,
        most_waiting=most_waiting,
        most_in_a_batch=most,
        most_bytes_in_a_batch=most_bytes,
    )


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_arrivals_during_a_flush_form_the_next_batch() -> None:
    writer = Writer()
    one = batcher(writer)
    puts = [asyncio.create_task(one.put(1))]
    await settle()
    puts += [asyncio.create_task(one.put(item)) for item in (2, 3, 4)]
    await settle()
    assert writer.batches == [[1]]
    writer.go.set()
    assert await asyncio.gather(*puts) == [10, 20, 30, 40]
    assert writer.batches == [[1], [2, 3, 4]]


async def test_a_batch_has_a_most_of_items_and_of_bytes() -> None:
    writer = Writer()
    writer.go.set()
    items = [600, 600, 1, 1, 1, 2000, 5]
    one = batcher(writer, most=3)
    await asyncio.gather(*(one.put(item) for item in items))
    assert writer.batches == [[600, 600], [1, 1, 1], [2000], [5]]


async def test_more_than_can_wait_is_turned_away_at_once() -> None:
    writer = Writer()
    one = batcher(writer, most_waiting=2)
    first = asyncio.create_task(one.put(1))
    await settle()
    waiting = [asyncio.create_task(one.put(item)) for item in (2, 3)]
    await settle()
    with pytest.raises(Full):
        await one.put(4)
    writer.go.set()
    assert await asyncio.gather(first, *waiting) == [10, 20, 30]


async def test_a_failing_flush_fails_its_own_batch_only() -> None:
    writer = Writer()
    writer.go.set()
    one = batcher(writer)
    with pytest.raises(RuntimeError, match="thirteen"):
        await one.put(13)
    assert await one.put(1) == 10


async def test_a_sender_that_goes_away_leaves_the_others_served() -> None:
    writer = Writer()
    one = batcher(writer)
    gone, stays = asyncio.create_task(one.put(1)), asyncio.create_task(one.put(2))
    await settle()
    gone.cancel()
    writer.go.set()
    assert await stays == 20
    assert writer.batches == [[1, 2]]


async def test_closing_waits_for_what_was_taken() -> None:
    writer = Writer()
    one = batcher(writer)
    put = asyncio.create_task(one.put(1))
    await settle()
    closing = asyncio.create_task(one.close())
    await settle()
    assert not closing.done()
    writer.go.set()
    await closing
    assert await put == 10


def of_owners(
    writer: Writer, *, most: int = 4, most_waiting: int = 100, clock: Clock | None = None
) -> Batcher[int, int]:
    """Items of one owner have the same hundreds."""
    return Batcher(
        writer.flush,
        size=lambda item: 1,
        most_waiting=most_waiting,
        most_in_a_batch=most,
        most_bytes_in_a_batch=1000,
        owner=lambda item: item // 100,
        most_of_one=2,
        clock=clock or Clock(),
    )


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_who_comes_behind_a_flood_is_in_the_next_batch_and_each_ones_order_holds() -> None:
    writer = Writer()
    one = of_owners(writer)
    puts = [asyncio.create_task(one.put(item)) for item in (100, 101, 102, 103, 104, 105, 106, 200, 300, 201)]
    await settle()
    writer.go.set()
    assert await asyncio.gather(*puts) == [1000, 1010, 1020, 1030, 1040, 1050, 1060, 2000, 3000, 2010]
    assert writer.batches == [[100, 200, 300, 101], [201, 102, 103], [104, 105], [106]]


def test_a_webhook_waits_in_one_line_whether_or_not_its_settings_were_read() -> None:
    """What comes behind a delivery that still waits must not go past it: the first of a process are read late."""
    code = uuid4()
    let_in = Delivery(endpoint=code, authorised=True, received_at=timezone.now())
    made_up = Delivery(endpoint=code, authorised=False, received_at=timezone.now())
    door = Door()
    assert door._batcher._owner(let_in) == code
    assert door._batcher._owner(made_up) is None, "anybody can make up an address, and as many as they like"


async def test_a_flood_fills_no_batch_while_others_send_too() -> None:
    writer, clock = Writer(), Clock()
    one = of_owners(writer, clock=clock)
    writer.go.set()
    await one.put(200)
    await asyncio.gather(*(one.put(item) for item in (100, 101, 102, 103)))
    assert writer.batches[1:] == [[100, 101], [102, 103]], "who comes meanwhile waits for no more than this"
    clock.now += LATELY_SECONDS
    await asyncio.gather(*(one.put(item) for item in (100, 101, 102, 103)))
    assert writer.batches[3:] == [[100, 101, 102, 103]], "alone it does"


async def test_what_a_flood_has_waiting_turns_nobody_else_away() -> None:
    writer = Writer()
    one = of_owners(writer, most_waiting=100)
    first = asyncio.create_task(one.put(100))
    await settle()
    flood = [asyncio.create_task(one.put(100 + item % 100)) for item in range(100)]
    await settle()
    with pytest.raises(Full):
        await one.put(100)
    other = asyncio.create_task(one.put(200))
    await settle()
    with pytest.raises(Full):
        await one.put(201)
    writer.go.set()
    assert await other == 2000
    await asyncio.gather(first, *flood)
