"""A lane's looks at IBKR's lists of orders and fills, beside its work: what is to leave does not wait for their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from accounts.loops import endings
from brokers.models import Connection
from brokers.processes import looks, recovery
from brokers.processes.agenda import Agenda
from brokers.processes.wire import Wire


class LookingUp:
    """One look at a time, as a task of its own. It needs no lock: it only reads, as the stream does beside the lane.

    `survives` runs a look to its end, whatever fails in it, and says after how many seconds to look again. `wake` is the
    lane's: set when the next look is due.
    """

    def __init__(self, wake: asyncio.Event, survives: Callable[[Awaitable[float]], Awaitable[float]]) -> None:
        self._wake, self._survives = wake, survives
        self._task: asyncio.Task[None] | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._again = False
        # Accounts in which IBKR has refused something, to be read.
        self._refused: set[str] = set()

    @property
    def is_over(self) -> bool:
        """Whether no look is under way, and none is due later."""
        return self._rest is None and (self._task is None or self._task.done())

    def begin(self, wire: Wire, todo: Agenda, refused: Collection[str]) -> None:
        """Look up what a lane's own look has found. Where a look is under way already, another one follows it at once."""
        self._refused |= set(refused)
        found = todo.looks or todo.lost_changes or todo.gone or todo.lost_cancels or todo.doubtful
        if not found and not self._refused:
            return
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._stop_resting()
        refused, self._refused, self._again = self._refused, set(), False
        self._task = asyncio.create_task(self._look(wire, todo, refused))

    async def stop(self) -> None:
        """End the look that is under way: whatever it was to find out is found out by the next one."""
        self._stop_resting()
        if self._task is not None:
            await endings.end([self._task])

    def _stop_resting(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    async def _look(self, wire: Wire, todo: Agenda, refused: Collection[str]) -> None:
        wait = await self._survives(_look_up(wire, todo, refused))
        if self._again:
            self._wake.set()
        elif wait:
            self._rest = asyncio.get_running_loop().call_later(wait, self._wake_up)

    def _wake_up(self) -> None:
        self._rest = None
        self._wake.set()


async def _look_up(wire: Wire, todo: Agenda, refused: Collection[str]) -> float:
    """Read what is in doubt; returns the seconds after which to look again, 0 for "when woken"."""
    connection: Connection = todo.connection
    await recovery.read_again(wire, connection, refused)
    waits = []
    if todo.looks:
        waits.append(await looks.bring_orders_home(wire, connection))
    if todo.lost_changes:
        waits.append(await recovery.settle_lost_changes(wire, connection))
    if todo.gone:
        waits.append(await recovery.settle_gone(wire, connection))
    if todo.lost_cancels:
        waits.append(await recovery.settle_lost_cancels(wire, connection))
    if todo.doubtful:
        waits.append(await recovery.resolve_unknown(wire, connection))
    return min(filter(None, waits), default=0)
