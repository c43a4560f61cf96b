"""Previews of orders that decisions wait for, asked of IBKR while nothing waits to leave.

A preview makes way: an order, a cancel or a change that comes meanwhile ends it, and it is asked again afterwards. A row of
other questions breaks off between two of them (`between.gives_way`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from accounts.loops import endings
from brokers.book import previews
from brokers.domain.brokerage import BrokerError
from brokers.domain.whatif.figures import OrderPreview
from brokers.models import MarginPreview
from brokers.processes.between import writes_wait
from brokers.processes.wire import Wire

T = TypeVar("T")

# A little less than a decision waits.
PREVIEW_SECONDS = 2.5


async def answer_next(wire: Wire) -> None:
    """Ask for the preview that waits longest; what IBKR does not tell in time is an answer too.

    One in a look, so that whoever else needs the connection's lock gets it in between.
    """
    rows = await wire.db(previews.wanted_of, wire.connection_pk)
    if not rows:
        return
    if await comes_first(wire):
        wire.wake.set()
        return
    asking = asyncio.create_task(_ask(wire, rows[0]))
    if await makes_way(wire, asking):
        await wire.db(previews.answer, rows[0], asking.result(), wire.clock())
    # The next one, or this one again.
    wire.wake.set()


async def comes_first(wire: Wire, waits: Callable[[int, datetime], bool] = writes_wait) -> bool:
    """Whether something comes before a question that is about to be asked; what had woken the lane goes on waking it then.

    `waits`: as for `makes_way`, which sees what comes after this look.
    """
    woken = wire.wake.is_set()
    # Cleared before the look: what comes after it sets it again.
    wire.wake.clear()
    if not await wire.db(waits, wire.connection_pk, wire.clock()):
        return False
    if woken:
        wire.wake.set()
    return True


async def makes_way(wire: Wire, asking: asyncio.Task[T], waits: Callable[[int, datetime], bool] = writes_wait) -> bool:
    """Wait for a question to IBKR, and let go of it once something waits to leave; whether it was answered.

    `waits`: says of a connection whether something does that the question has to make way for.
    """
    try:
        return await _is_finished(wire, asking, waits)
    finally:
        # Its connection is given back before an order leaves.
        await endings.end([asking])


async def _ask(wire: Wire, row: MarginPreview) -> OrderPreview | None:
    """IBKR's preview; None where it gives none, for any reason: that its session is gone, others find out."""
    leg = await wire.db(previews.leg, row)
    if leg is None:
        return None
    with contextlib.suppress(BrokerError, TimeoutError):
        async with asyncio.timeout(PREVIEW_SECONDS):
            return await wire.broker.preview(row.account.account_id, leg)
    return None


async def _is_finished(wire: Wire, asking: asyncio.Task[T], waits: Callable[[int, datetime], bool]) -> bool:
    """Wait for the answer; False as soon as something waits that comes first, or the lane is to end."""
    while not asking.done() and not wire.stopping.is_set():
        wake = asyncio.create_task(wire.wake.wait())
        await asyncio.wait([asking, wake], return_when=asyncio.FIRST_COMPLETED)
        wake.cancel()
        if wire.wake.is_set():
            # Cleared before the look: what comes after it sets it again.
            wire.wake.clear()
            if await wire.db(waits, wire.connection_pk, wire.clock()):
                return False
    return asking.done()
