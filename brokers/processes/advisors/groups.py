"""An advisor's groups, changed at IBKR by the connection's lane while nothing waits to leave, and read beside its work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from accounts.loops import endings
from brokers.advisors import changes, reading
from brokers.domain.brokerage import BrokerError, BrokerUnavailable, OrderRefused, Paused, SessionLost
from brokers.models import GroupChange
from brokers.processes.between import gives_way
from brokers.processes.wire import Wire

# Some hundred groups take a request each, at ten a second.
READ_SECONDS = 60.0


class Groups:
    """What a lane does about groups: a wish is sent by the lane itself, and all groups are read in a task beside it, since
    reading them may take a minute and an order is not to wait for it.

    `survives` runs a reading to its end, whatever fails in it, and says after how many seconds to look again. `wake` is the
    lane's.
    """

    def __init__(self, wake: asyncio.Event, survives: Callable[[Awaitable[float]], Awaitable[float]]) -> None:
        self._wake, self._survives = wake, survives
        self._task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether no reading is under way."""
        return self._task is None or self._task.done()

    async def answer(self, wire: Wire) -> None:
        """Send the wish that waits longest, once, then read all groups: they tell how it ended.

        While a reading is under way nothing is begun; when it has ended the lane looks again. A session that is gone is no
        answer: the wish waits where it has not left, and is judged by a later look where it has.
        """
        if not self.is_over or await gives_way(wire):
            return
        change = await wire.db(changes.begin, wire.connection_pk, wire.clock())
        if change is None or await _sent(wire, change):
            self._task = asyncio.create_task(self._read(wire))

    async def stop(self) -> None:
        """End the reading that is under way: the groups stay wanted."""
        if self._task is not None:
            await endings.end([self._task])

    async def _read(self, wire: Wire) -> None:
        if wait := await self._survives(_read(wire)):
            asyncio.get_running_loop().call_later(wait, self._wake.set)
        else:
            self._wake.set()


async def _read(wire: Wire) -> float:
    """Read all groups and keep them, or why they could not be read."""
    began = wire.clock()
    try:
        async with asyncio.timeout(READ_SECONDS):
            groups = await wire.broker.groups()
    except (SessionLost, Paused):
        raise
    except (BrokerError, TimeoutError) as problem:
        reason = str(problem) or f"IBKR did not show its groups within {READ_SECONDS:.0f} seconds."
        await wire.db(reading.failed, wire.connection_pk, reason, getattr(problem, "code", "groups-unanswered"))
        return 0
    await wire.db(reading.save, wire.connection_pk, groups, began, wire.clock())
    return 0


async def _sent(wire: Wire, change: GroupChange) -> bool:
    """Whether IBKR may have got it, or said no, so that the groups are to be read."""
    try:
        if change.kind == GroupChange.Kind.REMOVE:
            await wire.broker.remove_group(change.name)
        else:
            await wire.broker.save_group(change.value, new=change.kind == GroupChange.Kind.MAKE)
    except OrderRefused as refusal:
        await wire.db(changes.refused, change, str(refusal), refusal.code, wire.clock())
    except Paused as pause:
        await wire.db(changes.not_sent, change, str(pause))
        raise
    except BrokerUnavailable as problem:
        if problem.code == "answer-lost":
            return True
        await wire.db(changes.not_sent, change, str(problem))
        raise
    return True
