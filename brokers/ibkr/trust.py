"""How much nonsense a gateway may send before it is left alone, and how fast its stream may talk. Counted per connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from brokers.ibkr.circuits import Circuit, Clock, Way

CODE = "gateway-nonsense"
# So many pieces of nonsense in so many seconds.
_MOST = 5
_WITHIN = 300.0
_FIRST_PAUSE = 60.0
_LONGEST_PAUSE = 900.0
# Without any for so long, a gateway has its good name back.
_FORGOTTEN_AFTER = 3600.0


class Trust:
    """The nonsense that one connection's gateway has sent, and the pause that follows from too much of it."""

    def __init__(self, clock: Clock, opened: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self.circuit = Circuit(clock, opened)
        self._seen: deque[float] = deque(maxlen=_MOST)
        self._pauses = 0
        self._last = 0.0
        self.errors = 0

    def note(self, what: str, way: Way | None = None) -> None:
        """Count one piece of nonsense; the fifth in five minutes opens a pause, each one longer than the one before."""
        now = self._clock()
        if now - self._last > _FORGOTTEN_AFTER:
            self._pauses = 0
        self._last = now
        self.errors += 1
        self._seen.append(now)
        if self.circuit.remaining > 0:
            self.circuit.trip(0, way=way or Way.TICKLE)
            return
        if len(self._seen) < _MOST or now - self._seen[0] > _WITHIN:
            return
        seconds = min(_FIRST_PAUSE * 2**self._pauses, _LONGEST_PAUSE)
        self._pauses = min(self._pauses + 1, 10)
        self._seen.clear()
        self.circuit.trip(seconds, code=CODE, sentence=_sentence(what, seconds))


def _sentence(what: str, seconds: float) -> str:
    minutes = f"{seconds / 60:.0f} minute{'s' if seconds >= 120 else ''}"
    return (
        f"This gateway keeps sending what no gateway of IBKR sends ({what}); Halyard leaves it alone for {minutes}. "
        "Check which program answers at its address."
    )


class Flow:
    """How fast a stream is read: what talks without end is read slowly, and waits in its own socket."""

    def __init__(
        self, clock: Clock, *, per_second: float = 200.0, burst: float = 2000.0, size: float = 512 * 1024.0
    ) -> None:
        self._clock = clock
        self._per_second, self._burst, self._size = per_second, burst, size
        # Room for what a stream begins with: the orders and the fills of the whole day.
        self._most_bytes = 32 * size
        self._messages, self._bytes = burst, self._most_bytes
        self._at = clock()

    def wait(self, size: int) -> float:
        """Count one message of this size; returns the seconds to wait before it is looked at."""
        now = self._clock()
        passed, self._at = now - self._at, now
        self._messages = min(self._burst, self._messages + passed * self._per_second) - 1
        self._bytes = min(self._most_bytes, self._bytes + passed * self._size) - size
        return max(0.0, -self._messages / self._per_second, -self._bytes / self._size)

    async def passed(self, size: int) -> None:
        """Wait until a message of this size may be looked at; the others on the loop have their turn in any case."""
        await asyncio.sleep(self.wait(size))
