"""Requests of one login take their turns: by the ledger that all processes share, or by this process's part of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from brokers.domain.calls import Rank
from brokers.ibkr.circuits import Circuit, Clock, Way
from brokers.ibkr.pace.ledger import Ask, Ledger, Turn
from brokers.ibkr.pace.limits import Pacing
from brokers.ibkr.pace.valkey import SharedPace

MOST_SLEEP = 6.0  # what is known may change meanwhile


class Pace:
    """One login's turn-taking: gives each request the moment at which it may leave."""

    def __init__(
        self,
        pacing: Pacing,
        clock: Clock,
        *,
        ledger: Ledger | None = None,
        names: tuple[str, str, str] = ("", "", ""),
        per_way: int | None = None,
        circuit: Circuit | None = None,
        shared: Callable[[], SharedPace | None] = lambda: None,
    ) -> None:
        self.pacing = pacing
        self._clock, self._ledger, self._shared = clock, ledger or Ledger(), shared
        self._circuit = circuit
        self._user, self._way, self._tenant = names
        self._per_way = per_way or pacing.per_second or 0
        self._left = pacing.per_second
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lines: dict[Rank, asyncio.Lock] = {}

    async def turn(self, endpoint: str, rank: Rank = Rank.READ, way: Way | None = None) -> None:
        """Wait until a request to this endpoint may leave. A pause that it meets opens the circuit, and it waits no more."""
        if self.pacing.per_second is None:
            return
        named, limit = self.pacing.limit(endpoint) or ("", None)
        ask = Ask(
            user=self._user,
            way=self._way,
            tenant=self._tenant,
            rank=rank,
            per_user=self.pacing.per_second,
            per_way=self._per_way,
            endpoint=named,
            limit=limit,
            through=str(way or ""),
        )
        while True:
            wait = await self._in_line(ask, way)
            if wait <= 0:
                return
            # Its endpoint keeps it back, and nobody else who waits.
            await asyncio.sleep(min(wait, MOST_SLEEP))

    def left(self) -> int | None:
        """Requests of this user that may leave at once, as far as it is known; None without a limit."""
        return self._left

    async def _in_line(self, ask: Ask, way: Way | None) -> float:
        """Stand in the line of those with the same rank until it may leave: 0, or the wait for its endpoint."""
        async with self._line(ask.rank):
            while True:
                turn = await self._take(ask, way)
                self._left = turn.left
                if turn.wait <= 0 or turn.endpoint:
                    return turn.wait
                await asyncio.sleep(min(turn.wait, MOST_SLEEP))

    async def _take(self, ask: Ask, way: Way | None) -> Turn:
        shared, part = self._shared(), None
        if shared is not None:
            through = self._circuit.interval(way) if self._circuit is not None and way is not None else 0.0
            answer = await shared.take(ask, through)
            if answer is not None and answer.paused:
                if self._circuit is not None:
                    self._circuit.learn(answer.wait, answer.pause_text, way, answer.through)
                return Turn(0.0)
            if answer is not None:
                if answer.wait <= 0:
                    self._ledger.note(ask, self._clock())
                return Turn(answer.wait, answer.endpoint, answer.left)
            part = shared.part()
        return self._ledger.take(ask, self._clock(), part)

    def _line(self, rank: Rank) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Tasks of a worker run one after the other, each on a loop of its own.
            self._loop, self._lines = loop, {}
        return self._lines.setdefault(rank, asyncio.Lock())
