"""An advisor's groups, changed at IBKR by the connection's lane while nothing waits to leave, and read beside its work."""

from __future__ import annotations

import asyncio
from functools import partial

from brokers.advisors import changes, reading
from brokers.domain.brokerage import BrokerError, BrokerUnavailable, OrderRefused, Paused, SessionLost
from brokers.models import GroupChange
from brokers.processes.beside.errand import Errand
from brokers.processes.between import gives_way
from brokers.processes.wire import Wire

# Some hundred groups take a request each, at ten a second.
READ_SECONDS = 60.0


class Groups:
    """What a lane does about groups: a wish is sent by the lane itself, and all groups are read beside it, since reading them
    may take a minute and an order is not to wait for it."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand

    async def answer(self, wire: Wire) -> None:
        """Send the wish that waits longest, once, then read all groups: they tell how it ended.

        While a reading is under way nothing is begun; when it has ended the lane looks again. A session that is gone is no
        answer: the wish waits where it has not left, and is judged by a later look where it has.
        """
        if self._errand.is_under_way or await gives_way(wire):
            return
        change = await wire.db(changes.begin, wire.connection_pk, wire.clock())
        if change is None or await _sent(wire, change):
            self._errand.begin(partial(_read, wire), wakes=True)


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
