"""What a lane does for an order that is being decided: it takes its lock, waits for the order, and sends it."""

from __future__ import annotations

import asyncio

from brokers.orders.execution import Job
from brokers.orders.together.handing import Reserved
from brokers.postgres.locks import Locks, Space
from brokers.processes import writes
from brokers.processes.wire import Wire

RESERVED_SECONDS = 1.0  # for so long a lane keeps its lock for an order that is being decided


async def send_reserved(reserved: Reserved, wire: Wire, locks: Locks) -> float:
    """Under the connection's lock: wait for the order, and send it without another look.

    Returns the seconds after which the lane looks again, 0 for "when woken".
    """
    async with locks.only_one(Space.CONNECTION, wire.connection_pk) as held:
        if not held or (job := await _handed(reserved)) is None:
            return 0
        return await writes.send_orders(wire, reserved.connection, job) or 0


async def _handed(reserved: Reserved) -> Job | None:
    """The order that is handed over; None where none is."""
    loop = asyncio.get_running_loop()
    handed: asyncio.Future[Job | None] = loop.create_future()

    def hear(job: Job | None) -> None:
        # A lane that was ended meanwhile hears nothing more; its row says "submitted", which the next look asks about.
        if not handed.done():
            handed.set_result(job)

    def answer(job: Job | None) -> None:
        loop.call_soon_threadsafe(hear, job)

    if not reserved.ready(answer):
        return None
    done, _ = await asyncio.wait([handed], timeout=RESERVED_SECONDS)
    if not done and reserved.take_back():
        return None
    # Whoever asked has begun to write it down, and says what came of it.
    return await handed
