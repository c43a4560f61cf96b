"""How fast we may speak to a gateway, and the circuit that opens when it says we were too fast.

IBKR punishes the address that it hears, and each team's gateway speaks from an address of its own. So a circuit belongs
to one gateway of one team: what that gateway says silences nobody else.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from brokers.domain.calls import PER_SECOND
from brokers.domain.sessions import AuthMethod, Environment, Login
from brokers.ibkr.circuits import Circuit, Clock, Way
from brokers.ibkr.trust import Trust

# Seconds between two requests to the same endpoint.
_IBKR_INTERVALS: Mapping[str, float] = {
    "iserver/account/orders": 5.0,
    "iserver/account/trades": 5.0,
    "portfolio/accounts": 5.0,
    "sso/validate": 60.0,
    "tickle": 1.0,
    # IBKR names no limit of its own for it; a preview never takes much of what orders need.
    "iserver/account/{account}/orders/whatif": 1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """The limits of one login; without limits for a simulated one, which has none."""

    per_second: float | None = PER_SECOND
    intervals: Mapping[str, float] = field(default_factory=lambda: _IBKR_INTERVALS)
    # IBKR names no time in its 429; its pages say 10 and 15 minutes, and asking too early makes it longer.
    penalty: float = 900.0

    def pause(self, header: str | None) -> float:
        """Seconds to wait after a 429: what `Retry-After` asks for, never longer than IBKR's penalty."""
        if header is None or not _SECONDS.match(header):
            return self.penalty
        return min(float(header), self.penalty) or self.penalty


_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?\Z")
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

    def left(self) -> int | None:
        """Requests that may leave at once, below zero how many wait; None without a limit."""
        if self.pacing.per_second is None:
            return None
        refilled = self._tokens + (self._clock() - self._counted_at) * self.pacing.per_second
        return math.floor(min(self.pacing.per_second, refilled))

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


_MOST_TRUSTS = 20_000


def shared_by(login: Login) -> tuple[str, str]:
    """Who shares a circuit with this login: all who speak to one gateway for one team.

    A gateway is a team's own, so only what it can do to that team is believed of it. A sign-in at IBKR's own host will
    be shared by everybody who signs in there.
    """
    parts = urlsplit(login.base_url)
    host = f"{parts.scheme}://{(parts.hostname or '').lower()}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    if str(login.auth_method) != str(AuthMethod.GATEWAY):
        return "", host
    return login.tenant, host + parts.path.rstrip("/")


class Egress:
    """The ways out of this process: circuits and paces, shared by clients that speak to one gateway for one team."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._circuits: WeakValueDictionary[tuple[str, ...], Circuit] = WeakValueDictionary()
        self._paces: WeakValueDictionary[tuple[str, ...], Pace] = WeakValueDictionary()
        # Open circuits outlive their clients, which come and go while a pause lasts.
        self._open: dict[tuple[str, ...], Circuit] = {}
        # What is counted outlives them too, of the connections heard of last.
        self._trusts: OrderedDict[tuple[str, ...], Trust] = OrderedDict()

    def circuit(self, login: Login) -> Circuit:
        """The circuit of this login's gateway."""
        key = shared_by(login)
        self._open = {name: circuit for name, circuit in self._open.items() if circuit.remaining > 0}
        circuit = self._circuits.get(key)
        if circuit is None:
            circuit = self._circuits[key] = Circuit(self.clock, lambda: self._keep(key))
        return circuit

    def _keep(self, key: tuple[str, ...]) -> None:
        self._open[key] = self._circuits[key]

    def trip(self, login: Login, header: str | None, pacing: Pacing, way: Way | None) -> float:
        """Open the circuit of this login's gateway after its 429; returns the seconds that ordinary requests wait."""
        circuit = self.circuit(login)
        circuit.trip(pacing.pause(header), way=way)
        return circuit.remaining

    def trust(self, login: Login) -> Trust:
        """The nonsense that was counted of this connection."""
        key = (*shared_by(login), login.username)
        trust = self._trusts.pop(key, None) or Trust(self.clock)
        self._trusts[key] = trust
        if len(self._trusts) > _MOST_TRUSTS:
            self._trusts.popitem(last=False)
        return trust

    def pace(self, login: Login, pacing: Pacing) -> Pace:
        """One pace per user and gateway, however many clients speak for it."""
        key = (*shared_by(login), login.username)
        pace = self._paces.get(key)
        if pace is None or pace.pacing != pacing:
            pace = self._paces[key] = Pace(pacing, self.clock)
        return pace


# The process has one address unless somebody says otherwise.
EGRESS = Egress()
