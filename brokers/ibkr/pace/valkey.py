"""The pace that all processes share: kept in Valkey, one round trip for a turn, and known to be away within a moment."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import hiredis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from accounts.loops import endings
from brokers.ibkr.pace.ledger import Ask, Part
from brokers.ibkr.pace.limits import SECOND, count_for
from brokers.ibkr.pace.line import Line

log = logging.getLogger(__name__)

BEAT_SECONDS = 0.5
ALIVE_SECONDS = 5.0
# A server that knows nothing lets nothing leave for so long: what left before is over then, and everybody was heard.
SETTLE_SECONDS = 1.0
# Nobody's order waits longer than this for a server that hangs, and then nobody asks it for a moment.
ANSWER_SECONDS = 0.25
AWAY_SECONDS = 1.0
# So many turns are one round trip: while the server takes them, an order of another process waits.
MOST_AT_ONCE = 64
LONGEST_PAUSE = 900.0
# How many processes there are, as long as nobody has said.
PROCESSES_ASSUMED = 4
_PREFIX = "halyard:pace"
_HERE = Path(__file__).parent
_TAKE, _BEAT = (_HERE / "take.lua").read_text(), (_HERE / "beat.lua").read_text()
_TAKE_SHA = hashlib.sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the shared ledger says of a request: it leaves, it waits, or its way out is paused for `wait` seconds.

    A request with a way through a pause waits `through` seconds for it.
    """

    wait: float
    left: int
    endpoint: bool = False
    paused: bool = False
    through: float = 0.0
    pause_text: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A way out that is left alone for so many seconds."""

    way: str
    seconds: float
    text: str


class Knowledge(Protocol):
    """What a process knows by itself, and tells a server that has forgotten it."""

    def pauses(self) -> Iterable[Pause]: ...

    def slow_endpoints(self) -> Iterable[tuple[str, float, float]]: ...

    def hear(self, pauses: Iterable[Pause]) -> None: ...


@dataclass(slots=True)
class _Waiting:
    packed: bytes
    answer: asyncio.Future[Answer | None] = field(repr=False)


class SharedPace:
    """One process's line to the shared ledger; for one event loop."""

    def __init__(self, url: str, knowledge: Knowledge) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
        self._knowledge = knowledge
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None
        self._line = Line(self._redis)
        self._soon = asyncio.Event()
        self._ended = False
        self._away_until = 0.0
        self._epoch: int | None = None
        self._told = False
        self.processes = PROCESSES_ASSUMED
        self._place = secrets.randbelow(PROCESSES_ASSUMED)
        self._away_since: float | None = None

    # A turn

    async def take(self, ask: Ask, through: float) -> Answer | None:
        """Take a turn; None where the server is away and each process keeps to its own part."""
        if time.monotonic() < self._away_until:
            return None
        waiting = _Waiting(_packed(ask, through), asyncio.get_running_loop().create_future())
        # What is asked for while an answer is on its way travels together.
        self._waiting.append(waiting)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return await waiting.answer

    def part(self) -> Part:
        """This process's part of all limits, while the server is away."""
        now = time.monotonic()
        return Part(self.processes, self._place, now if self._away_since is None else self._away_since, time.time())

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            try:
                answers: list[Answer | None] = [self._read(answer) for answer in await self._ask(batch)]
            except (RedisError, OSError, TimeoutError) as problem:
                self._is_away(problem)
                answers = [None] * len(batch)
            except BaseException:
                _settle(batch, [None] * len(batch))
                raise
            _settle(batch, answers)

    async def _ask(self, batch: list[_Waiting]) -> list[Any]:
        commands = [waiting.packed for waiting in batch]
        answers = await self._line.ask(commands)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            # None of them was run.
            await self._redis.script_load(_TAKE)
            answers = await self._line.ask(commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _read(self, row: list[Any]) -> Answer:
        what, ms, epoch, left, text = row
        self._saw(int(epoch))
        if what == 3:
            return Answer(ms / 1000, 0, paused=True, through=left / 1000, pause_text=text)
        return Answer(ms / 1000, int(left), endpoint=what == 2)

    def _saw(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch, self._told = epoch, False
            self._soon.set()

    # Signs of life

    def tell_soon(self) -> None:
        """Something is known that the others should know at once."""
        self._soon.set()

    async def beat(self) -> None:
        """Say that this process is there, tell and hear, until `end`."""
        while not self._ended:
            self._soon.clear()
            try:
                await self._tell()
            except (RedisError, OSError, TimeoutError) as problem:
                self._is_away(problem)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0 if self._ended else BEAT_SECONDS):
                    await self._soon.wait()

    def end(self) -> None:
        """Let `beat` return after what it is about. Canceled, it could go on: a client in between may swallow that."""
        self._ended = True
        self._soon.set()

    async def _tell(self) -> None:
        pauses = list(self._knowledge.pauses())
        slow = [] if self._told else list(self._knowledge.slow_endpoints())
        known = (self._epoch, self._told)
        keys = [f"{_PREFIX}:epoch", f"{_PREFIX}:pauses", f"{_PREFIX}:processes"]
        keys += [f"{_PREFIX}:{name}" for name, _, _ in slow]
        arguments: list[Any] = [self._name, _ms(ALIVE_SECONDS), _ms(LONGEST_PAUSE), len(pauses)]
        for pause in pauses:
            arguments += [pause.way, _ms(pause.seconds), pause.text]
        for _, window, ago in slow:
            arguments += [_ms(window), _ms(ago)]
        epoch, processes, place, *rows = await self._redis.eval(_BEAT, len(keys), *keys, *arguments)
        self._saw(int(epoch))
        if (self._epoch, self._told) == known:
            self._told = True
        self.processes, self._place = max(1, int(processes)), int(place)
        self._away_since, self._away_until = None, 0.0
        self._knowledge.hear(
            Pause(rows[at], rows[at + 1] / 1000, rows[at + 2]) for at in range(0, len(rows) - len(rows) % 3, 3)
        )

    def _is_away(self, problem: BaseException) -> None:
        if self._away_since is None:
            log.warning(
                "Valkey is away (%s): this process keeps to its own part of IBKR's limits.", type(problem).__name__
            )
        self._away_until = time.monotonic() + AWAY_SECONDS
        self._away_since = self._away_since or time.monotonic()
        # What left meanwhile is told when it is back.
        self._told = False

    async def close(self) -> None:
        """End the lines; the others count one process less."""
        if self._flushing is not None:
            await endings.end([self._flushing])
        _settle(self._waiting, [None] * len(self._waiting))
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            await self._line.close()
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            await self._redis.zrem(f"{_PREFIX}:processes", self._name)
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            await self._redis.aclose()


def _settle(batch: list[_Waiting], answers: list[Answer | None]) -> None:
    for waiting, answer in zip(batch, answers, strict=True):
        if not waiting.answer.done():
            waiting.answer.set_result(answer)


def _packed(ask: Ask, through: float) -> bytes:
    """The command of a turn, packed in C: it has twenty-odd words, and every request takes one."""
    keys = _keys(ask)
    packed: bytes = hiredis.pack_command(("EVALSHA", _TAKE_SHA, len(keys), *keys, *_arguments(ask, through)))
    return packed


def _keys(ask: Ask) -> list[str]:
    names = (
        "epoch",
        "pauses",
        f"through:{ask.way}:{ask.through}",
        f"tenants:{ask.way}",
        f"way:{ask.way}",
        f"share:{ask.way}:{ask.tenant}:{int(ask.rank)}",
        f"user:{ask.user}",
        f"endpoint:{ask.user}:{ask.endpoint}",
        f"waiting:{ask.way}",
    )
    return [f"{_PREFIX}:{name}" for name in names]


def _arguments(ask: Ask, through: float) -> list[Any]:
    limit = ask.limit
    return [
        ask.way,
        ask.tenant,
        _ms(through),
        _ms(SECOND),
        count_for(ask.per_user, ask.rank),
        ask.per_user,
        count_for(ask.per_way, ask.rank),
        ask.per_way,
        limit.for_rank(ask.rank) if limit is not None else 0,
        limit.count if limit is not None else 0,
        _ms(limit.window) if limit is not None else 0,
        _ms(SETTLE_SECONDS),
        _ms(LONGEST_PAUSE),
    ]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
