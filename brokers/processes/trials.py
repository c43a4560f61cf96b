"""Trials that people asked for, beside the watches: a gateway that hangs holds up its own trial and nothing else."""

from __future__ import annotations

import asyncio
import logging

from accounts.loops import endings
from brokers.connections import trials
from brokers.domain.sessions import Login
from brokers.domain.trials import Report
from brokers.processes.watching.station import Station

log = logging.getLogger(__name__)

# At the same time in one process; the others wait in their rows.
MOST = 50
# A session that is being opened is asked for again, as often and at this distance.
_TIMES, _SECONDS = 10, 1.0
# ... and it is not asked for beside its opening, which would wait for the same pace.
_OPENING_TIMES = 25


class Trials:
    """The trials of one shard that run now, one of a connection at a time."""

    def __init__(self, keeper: Station) -> None:
        self.keeper = keeper
        self.running: dict[int, asyncio.Task[None]] = {}

    async def look(self, shard: int, shards: int) -> None:
        """Begin what was asked for since."""
        self.running = {key: task for key, task in self.running.items() if not task.done()}
        for key in await self.keeper.threads.run(trials.asked_for, shard, shards):
            if key not in self.running and len(self.running) < MOST:
                self.running[key] = asyncio.create_task(self._try(key))

    async def _try(self, key: int) -> None:
        try:
            login = await self.keeper.threads.run(trials.login_for, key)
            if login is not None:
                report = await self._report(key, login)
                await self.keeper.threads.run(trials.save, key, report)
        except Exception:
            log.exception("Connection %s: its trial failed, and is tried again", key)
            await asyncio.sleep(5)

    async def _report(self, key: int, login: Login) -> Report:
        """What the trial finds, once a session that Halyard is just opening is open."""
        for _ in range(_OPENING_TIMES):
            if not await self.keeper.threads.run(trials.is_being_opened, key):
                break
            await asyncio.sleep(_SECONDS)
        report = await self._tried(key, login)
        for _ in range(_TIMES):
            if not await self.keeper.threads.run(trials.is_too_early, key, report):
                break
            await asyncio.sleep(_SECONDS)
            report = await self._tried(key, login)
        return report

    async def _tried(self, key: int, login: Login) -> Report:
        """One trial. Keys that IBKR did not take a moment ago are not shown again before their half hour is over."""
        known = await self.keeper.threads.run(trials.not_taken, key, self.keeper.clock())
        return await trials.try_login(login, self.keeper.open_brokerage, self.keeper.clock, known)

    async def stop(self) -> None:
        """End them; they begin again with the next look, here or in the process that takes over."""
        await endings.end(self.running.values())
        self.running = {}
