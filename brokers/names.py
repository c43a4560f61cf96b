"""Host names that users named, looked up in threads that teams share fairly: names that hang hold up their own team's."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum

# A name server that never answers holds a thread, so all have their end: those of a team, and those of all teams.
MOST_OF_A_TEAM = 4
THREADS, LAST_THREADS = 256, 32
# A look-up of so many seconds hangs, and its team is served last for a while.
SLOW_SECONDS = 2.0
SLOW_FOR_SECONDS = 120.0
# So long a team whose names are answered is known for it.
PROMPT_FOR_SECONDS = 3600.0
_MOST_REMEMBERED = 4096
# How much of all threads has to be free for a team's fourth, third and second look-up at a time.
_FREE_FOR = ((4, 7 / 8), (3, 3 / 4), (2, 1 / 2))
_KEPT_FREE = 1 / 4


class TooManyNames(OSError):
    """As many names of this team as may be are being looked up, and none has been answered."""

    def __init__(self, host: str, count: int) -> None:
        wait = "another name" if count == 1 else f"{count} other names"
        verb, whose = ("waits", "its name server") if count == 1 else ("wait", "their name servers")
        super().__init__(
            f"{host} was not looked up: {wait} of your team's gateways {verb} for {whose}. "
            "Switch off the connections whose names lead nowhere."
        )


class Line(Enum):
    """Where a look-up waits. Teams whose names hang share the last few threads among themselves."""

    FIRST = "first"
    LAST = "last"


Key = tuple[str, int, Line]


class Names:
    """Looks names up, one question at a time for each, so that a slow one takes one thread only."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pools = {
            Line.FIRST: ThreadPoolExecutor(THREADS, thread_name_prefix="names"),
            Line.LAST: ThreadPoolExecutor(LAST_THREADS, thread_name_prefix="names that hang"),
        }
        self._lock = threading.Lock()
        self.under_way: dict[Key, Future[list[str]]] = {}
        self.held: dict[Line, Counter[str]] = {line: Counter() for line in Line}
        self._running: dict[str, dict[Key, float]] = defaultdict(dict)
        self._slow_until: dict[str, float] = {}
        self._prompt_until: dict[str, float] = {}

    def ask(self, team: str, host: str, port: int) -> Future[list[str]]:
        """The IP addresses of a name, for a team. Raises TooManyNames."""
        with self._lock:
            line = self._line(team)
            key = (host, port, line)
            if (asked := self.under_way.get(key)) is not None and not asked.done():
                return asked
            held = self.held[line][team]
            if held >= (self._share() if line is Line.FIRST else MOST_OF_A_TEAM):
                raise TooManyNames(host, held)
            asked = self.under_way[key] = self._pools[line].submit(self._look_up, team, key)
            self.held[line][team] += 1
        asked.add_done_callback(lambda done: self._let_go(team, key, done))
        return asked

    def _line(self, team: str) -> Line:
        """The first, unless the team's names hang, or hardly any thread is free and nobody knows whether they will."""
        now = self._clock()
        hangs = any(now - began > SLOW_SECONDS for began in self._running.get(team, {}).values())
        if hangs or now < self._slow_until.get(team, now):
            return Line.LAST
        is_known = now < self._prompt_until.get(team, now)
        return Line.FIRST if is_known or self._free() > _KEPT_FREE else Line.LAST

    def _share(self) -> int:
        """How many look-ups a team may have at a time: the fewer, the fewer threads are free."""
        free = self._free()
        return next((most for most, least in _FREE_FOR if free >= least), 1)

    def _free(self) -> float:
        return 1 - self.held[Line.FIRST].total() / THREADS

    def _look_up(self, team: str, key: Key) -> list[str]:
        began = self._clock()
        with self._lock:
            self._running[team][key] = began
        try:
            host, port, _ = key
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            return list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        finally:
            self._judge(team, key, began)

    def _judge(self, team: str, key: Key, began: float) -> None:
        """Remember whether the team's names are answered."""
        with self._lock:
            running = self._running[team]
            del running[key]
            if not running:
                del self._running[team]
            now = self._clock()
            if now - began > SLOW_SECONDS:
                _remember(self._slow_until, team, now, SLOW_FOR_SECONDS)
                self._prompt_until.pop(team, None)
            else:
                _remember(self._prompt_until, team, now, PROMPT_FOR_SECONDS)

    def _let_go(self, team: str, key: Key, done: Future[list[str]]) -> None:
        with self._lock:
            if self.under_way.get(key) is done:
                del self.under_way[key]
            held = self.held[key[2]]
            held[team] -= 1
            if not held[team]:
                del held[team]


def _remember(until: dict[str, float], team: str, now: float, seconds: float) -> None:
    until[team] = now + seconds
    if len(until) > _MOST_REMEMBERED:
        for other in [each for each, end in until.items() if end <= now] or [next(iter(until))]:
            del until[other]
