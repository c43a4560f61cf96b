"""The circuit that keeps requests back: open after a 429 or too much nonsense, with a way through for a few."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from brokers.domain.brokerage import SLOW_DOWN, Paused

Clock = Callable[[], float]


class Way(StrEnum):
    """What may speak while a circuit is open: seldom, and each without the others."""

    TICKLE = "tickle"
    CANCEL = "cancel"


# Seconds between two of a kind. A session that hears nothing for six minutes ends at IBKR; a cancel takes risk away.
_WAY_INTERVALS: Mapping[Way, float] = {Way.TICKLE: 50.0, Way.CANCEL: 1.0}
_LONGEST_WAY = 60.0


class Circuit:
    """Open after a 429, or after too much nonsense: nothing but what has a way through leaves until the pause is over."""

    def __init__(self, clock: Clock, opened: Callable[[], None] = lambda: None) -> None:
        self._clock, self._opened = clock, opened
        self._open_until = 0.0
        self._code, self._sentence = "", ""
        self._next: dict[Way, float] = {}
        self._intervals = dict(_WAY_INTERVALS)

    def trip(
        self, seconds: float, *, code: str = "too-many-requests", sentence: str = "", way: Way | None = None
    ) -> None:
        """Open for `seconds`. What had a way through and was refused too makes its own way longer, not the pause."""
        if way is not None and self.remaining > 0:
            self._intervals[way] = min(self._intervals[way] * 2, _LONGEST_WAY)
            self._next[way] = max(self._next.get(way, 0.0), self._clock() + self._intervals[way])
            return
        if self.remaining <= 0:
            self._next, self._intervals = {}, dict(_WAY_INTERVALS)
        self._open_until = max(self._open_until, self._clock() + seconds)
        self._code, self._sentence = code, sentence or SLOW_DOWN
        self._opened()

    def learn(self, seconds: float, sentence: str, way: Way | None = None, through: float = 0.0) -> None:
        """Another process met a 429: keep to its pause. What has a way through waits `through` seconds for it."""
        if seconds > self.remaining + 0.5 or self.remaining <= 0:
            self.trip(max(seconds, 0.05), sentence=sentence)
        if way is not None and through > 0:
            self._next[way] = max(self._next.get(way, 0.0), self._clock() + through)

    def interval(self, way: Way) -> float:
        """Seconds between two of a kind that have a way through."""
        return self._intervals[way]

    @property
    def sentence(self) -> str:
        """What the pause says while it lasts."""
        return self._sentence

    @property
    def remaining(self) -> float:
        """Seconds until requests may leave again; 0 when they may now."""
        # Nearly all were never open, and every request asks several times.
        return max(0.0, self._open_until - self._clock()) if self._open_until else 0.0

    def wait(self, way: Way | None = None) -> float:
        """Seconds until a request of this kind may leave; 0 when it may now."""
        if way is None or self.remaining <= 0:
            return self.remaining
        return min(self.remaining, max(0.0, self._next.get(way, 0.0) - self._clock()))

    def check(self, way: Way | None = None) -> None:
        """Raise when this may not leave; otherwise it counts as leaving."""
        if self.wait(way) > 0:
            raise self.paused()
        if way is not None and self.remaining > 0:
            self._next[way] = self._clock() + self._intervals[way]

    def paused(self) -> Paused:
        """The pause as the error that tells of it. Its sentence stays the same while it lasts."""
        return Paused(self._sentence, code=self._code, retry_after=self.remaining)
