"""What drives a gateway: a tick of its market every quarter of a second, housekeeping every second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.market.quotes import TICK_S

log = logging.getLogger(__name__)
_HOUSEKEEPING_S = 1.0


class Clockwork:
    """The repeating tasks of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to tick, on the running event loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(_repeat(self._gateway.tick, TICK_S)),
            loop.create_task(_repeat(self._gateway.housekeep, _HOUSEKEEPING_S)),
        ]

    async def stop(self) -> None:
        """Stop ticking; a step that has begun is finished first."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _repeat(step: Callable[[], None], pause_s: float) -> None:
    while True:
        await asyncio.sleep(pause_s)
        # One bad moment must not stop the market for everybody.
        try:
            step()
        except Exception:
            log.exception("A step of the market failed.")
