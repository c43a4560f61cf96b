"""How fast we may speak to a gateway, and the circuit that opens when it says we were too fast.

IBKR punishes the address that it hears, and each team's gateway speaks from an address of its own. So a circuit belongs
to one gateway of one team: what that gateway says silences nobody else. Circuits and paces are shared by all processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from brokers.domain.sessions import AuthMethod, Login
from brokers.ibkr.circuits import Circuit, Clock, Way
from brokers.ibkr.pace.ledger import Ledger
from brokers.ibkr.pace.limits import NO_PACING, OWN_ADDRESS_PER_SECOND, Pacing, pacing_for
from brokers.ibkr.pace.turns import Pace
from brokers.ibkr.pace.valkey import Pause, SharedPace
from brokers.ibkr.trust import Trust

__all__ = ["EGRESS", "NO_PACING", "Egress", "Pace", "Pacing", "pacing_for", "shared_by"]

_MOST_TRUSTS = 20_000


def shared_by(login: Login) -> tuple[str, str]:
    """Who shares a circuit with this login: all who speak to one gateway for one team.

    A gateway is a team's own, so only what it can do to that team is believed of it. A sign-in at IBKR's own host will
    be shared by everybody who signs in there.
    """
    parts = urlsplit(login.base_url)
    host = f"{parts.scheme}://{(parts.hostname or '').lower()}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    if not _is_gateway(login):
        return "", host
    return login.tenant, host + parts.path.rstrip("/")


class Egress:
    """The ways out of this process: circuits and paces, shared by clients that speak to one gateway for one team, and while
    `sharing`, by all processes."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.shared: SharedPace | None = None
        # Requests a second from our own address to IBKR's own hosts, for all teams together.
        self.per_second = OWN_ADDRESS_PER_SECOND
        self._ledger = Ledger()
        self._circuits: WeakValueDictionary[str, Circuit] = WeakValueDictionary()
        self._paces: WeakValueDictionary[str, Pace] = WeakValueDictionary()
        # Open circuits outlive their clients, which come and go while a pause lasts.
        self._open: dict[str, Circuit] = {}
        # What is counted outlives them too, of the connections heard of last.
        self._trusts: OrderedDict[tuple[str, ...], Trust] = OrderedDict()

    @contextlib.asynccontextmanager
    async def sharing(self, url: str, *, per_second: int = OWN_ADDRESS_PER_SECOND) -> AsyncIterator[SharedPace]:
        """Keep to one pace with all processes that share it at `url`."""
        self.per_second = per_second
        self.shared = shared = SharedPace(url, self)
        beat = asyncio.create_task(shared.beat())
        try:
            yield shared
        finally:
            self.shared = None
            shared.end()
            await asyncio.gather(beat, return_exceptions=True)
            await shared.close()

    def circuit(self, login: Login) -> Circuit:
        """The circuit of this login's gateway."""
        return self._circuit(_name(*shared_by(login)))

    def _circuit(self, way: str) -> Circuit:
        self._open = {name: circuit for name, circuit in self._open.items() if circuit.remaining > 0}
        circuit = self._circuits.get(way)
        if circuit is None:
            circuit = self._circuits[way] = Circuit(self.clock, lambda: self._keep(way))
        return circuit

    def _keep(self, way: str) -> None:
        self._open[way] = self._circuits[way]

    def trip(self, login: Login, header: str | None, pacing: Pacing, way: Way | None) -> float:
        """Open the circuit of this login's gateway after its 429; returns the seconds that ordinary requests wait."""
        circuit = self.circuit(login)
        circuit.trip(pacing.pause(header), way=way)
        if self.shared is not None:
            self.shared.tell_soon()
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
        way, tenant = _name(*shared_by(login)), _name(login.tenant)
        user = _name(*shared_by(login), login.username)
        pace = self._paces.get(user)
        if pace is None or pace.pacing != pacing:
            pace = self._paces[user] = Pace(
                pacing,
                self.clock,
                ledger=self._ledger,
                names=(user, way, tenant),
                # A gateway takes as much as its user may send; IBKR's own hosts hear all of us from one address.
                per_way=None if _is_gateway(login) else self.per_second,
                circuit=self.circuit(login),
                shared=lambda: self.shared,
            )
        return pace

    # What this process knows, for the others

    def pauses(self) -> Iterable[Pause]:
        """Ways out that are left alone after a 429."""
        return [
            Pause(way, circuit.remaining, circuit.sentence)
            for way, circuit in self._open.items()
            if circuit.remaining > 0
        ]

    def slow_endpoints(self) -> Iterable[tuple[str, float, float]]:
        """Endpoints that may be asked once in several seconds: name, window, and how long ago they were."""
        return self._ledger.slow(self.clock())

    def hear(self, pauses: Iterable[Pause]) -> None:
        """Keep to the pauses that other processes met."""
        for pause in pauses:
            self._circuit(pause.way).learn(pause.seconds, pause.text)


def _is_gateway(login: Login) -> bool:
    return str(login.auth_method) == str(AuthMethod.GATEWAY)


def _name(*parts: str) -> str:
    """A name for what belongs to these, which tells nobody of them."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()


# The process has one address unless somebody says otherwise.
EGRESS = Egress()
