"""How fast we may speak to IBKR, and the circuit that opens when it says we were too fast.

IBKR limits each user, and punishes the address all users speak from: one user's 429 must silence everybody behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from brokers.domain.brokerage import BrokerUnavailable
from brokers.domain.sessions import Environment, Login

Clock = Callable[[], float]

# Seconds between two requests to the same endpoint.
_IBKR_INTERVALS: Mapping[str, float] = {
    "iserver/account/orders": 5.0,
    "iserver/account/trades": 5.0,
    "portfolio/accounts": 5.0,
    "tickle": 1.0,
    # IBKR names no limit of its own for it; a preview never takes much of what orders need.
    "iserver/account/{account}/orders/whatif": 1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """The limits of one login; without limits for a simulated one, which has none."""

    per_second: float | None = 10.0
    intervals: Mapping[str, float] = field(default_factory=lambda: _IBKR_INTERVALS)
    # IBKR names no time in its 429; its pages say 10 and 15 minutes, and asking too early makes it longer.
    penalty: float = 900.0


NO_PACING = Pacing(per_second=None, intervals={}, penalty=5.0)


def pacing_for(login: Login) -> Pacing:
    """IBKR's limits, or none for a simulated login."""
    return NO_PACING if login.environment is Environment.SIMULATED else Pacing()


class Pace:
    """One login's turn-taking: gives each request the moment at which it may leave."""

    def __init__(self, pacing: Pacing, clock: Clock) -> None:
        self.pacing = pacing
        self._clock = clock
        self._next: dict[str, float] = {}
        self._tokens = pacing.per_second or 0.0
        self._counted_at = clock()

    async def turn(self, endpoint: str) -> None:
        """Wait until a request to this endpoint may leave."""
        wait = max(self._endpoint_wait(endpoint), self._global_wait())
        if wait > 0:
            await asyncio.sleep(wait)

    def _endpoint_wait(self, endpoint: str) -> float:
        interval = self.pacing.intervals.get(endpoint)
        if interval is None:
            return 0.0
        now = self._clock()
        at = max(now, self._next.get(endpoint, 0.0))
        self._next[endpoint] = at + interval
        return at - now

    def _global_wait(self) -> float:
        if self.pacing.per_second is None:
            return 0.0
        now = self._clock()
        refilled = self._tokens + (now - self._counted_at) * self.pacing.per_second
        # Below zero the bucket counts those who wait already.
        self._tokens = min(self.pacing.per_second, refilled) - 1
        self._counted_at = now
        return max(0.0, -self._tokens / self.pacing.per_second)


class Circuit:
    """Open after a 429: nobody behind the address speaks until the penalty is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open_until = 0.0

    def trip(self, seconds: float) -> None:
        self._open_until = max(self._open_until, self._clock() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds until requests may leave again; 0 when they may now."""
        return max(0.0, self._open_until - self._clock())

    def check(self) -> None:
        """Raise when nobody may speak."""
        if self.remaining > 0:
            raise BrokerUnavailable(
                f"IBKR asked us to slow down; Halyard speaks to it again in {self.remaining:.0f} seconds.",
                retry_after=self.remaining,
            )


class Egress:
    """One way out to IBKR: the circuit and the paces that all clients behind one address share."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._circuits: dict[str, Circuit] = {}
        self._paces: WeakValueDictionary[tuple[str, str], Pace] = WeakValueDictionary()

    def circuit(self, login: Login) -> Circuit:
        """All real logins share one; a simulated login stands alone, so that nobody's experiment silences another team."""
        key = login.base_url if login.environment is Environment.SIMULATED else "ibkr"
        return self._circuits.setdefault(key, Circuit(self.clock))

    def pace(self, login: Login, pacing: Pacing) -> Pace:
        """One pace per user and gateway, however many clients speak for it."""
        key = (login.base_url, login.username)
        pace = self._paces.get(key)
        if pace is None or pace.pacing != pacing:
            pace = self._paces[key] = Pace(pacing, self.clock)
        return pace


# The process has one address unless somebody says otherwise.
EGRESS = Egress()
