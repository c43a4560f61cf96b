"""Which tickles go to the log of calls: ten thousand sessions say all day long that they are as they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brokers.domain.calls import CallOutcome

# One of those that say nothing new is kept so often, so that how fast the gateway answers is seen of a quiet day too.
KEPT_EVERY = 600.0
# A slower answer is kept in the log, even where it says nothing new.
SLOW_SECONDS = 1.0
# Counts down, and says nothing of the session.
_ALWAYS_ANOTHER = "ssoExpires"


class Tickles:
    """The tickles of one client, and how many were left out since the last that was kept."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: Any = None
        self._kept_at: float | None = None
        self.left_out = 0

    def leaves_out(self, outcome: CallOutcome, body: Any, took: float) -> bool:
        """Whether this one says what the one before said, and nobody misses it; it is counted then."""
        now, before = self._clock(), self._said
        self._said = said = _state(body) if outcome is CallOutcome.ANSWERED else None
        recent = self._kept_at is not None and now - self._kept_at < KEPT_EVERY
        if recent and said is not None and said == before and took < SLOW_SECONDS:
            self.left_out += 1
            return True
        self._kept_at = now
        return False

    def taken(self) -> dict[str, str]:
        """How many were left out before the one that is kept now, as its parameter; counted anew afterwards."""
        left_out, self.left_out = self.left_out, 0
        return {"left_out": str(left_out)} if left_out else {}


def _state(body: Any) -> Any:
    if not isinstance(body, Mapping):
        return None
    return {name: value for name, value in body.items() if name != _ALWAYS_ANOTHER}
