"""IBKR's limits, as its pages name them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from brokers.domain.calls import PER_SECOND, Rank
from brokers.domain.sessions import Environment, Login

# Two requests that leave a second apart may arrive a little closer to each other.
MARGIN = 0.05
SECOND = 1.0 + MARGIN
# What IBKR's own hosts take from our address: its newer pages name so many a second.
OWN_ADDRESS_PER_SECOND = 50


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` requests within any `seconds`."""

    count: int
    seconds: float

    @property
    def window(self) -> float:
        return self.seconds + MARGIN

    def for_rank(self, rank: Rank) -> int:
        return count_for(self.count, rank)


def count_for(count: int, rank: Rank) -> int:
    """How much of a limit a rank may use up: a fifth is kept for orders and ways out, another one for ways out alone."""
    return count - int(rank) * (count // 5)


IBKR_ENDPOINTS: Mapping[str, Limit] = {
    "iserver/account/orders": Limit(1, 5),
    "iserver/account/trades": Limit(1, 5),
    "iserver/account/pnl/partitioned": Limit(1, 5),
    "portfolio/accounts": Limit(1, 5),
    "portfolio/subaccounts": Limit(1, 5),
    "iserver/marketdata/snapshot": Limit(10, 1),
    # Five at a time: none takes longer than the ten seconds after which a read is given up.
    "iserver/marketdata/history": Limit(5, 10),
    "iserver/scanner/params": Limit(1, 900),
    "iserver/scanner/run": Limit(1, 1),
    "sso/validate": Limit(1, 60),
    "tickle": Limit(1, 1),
    # IBKR names no limit of its own for it; a preview never takes much of what orders need.
    "iserver/account/{account}/orders/whatif": Limit(1, 1),
}
# Everything below these paths together.
IBKR_FAMILIES: Mapping[str, Limit] = {"pa/": Limit(1, 900), "fyi/": Limit(1, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """The limits of one login; without limits for a simulated one, which has none."""

    per_second: int | None = int(PER_SECOND)
    endpoints: Mapping[str, Limit] = field(default_factory=lambda: IBKR_ENDPOINTS)
    families: Mapping[str, Limit] = field(default_factory=lambda: IBKR_FAMILIES)
    # IBKR names no time in its 429; its pages say 10 and 15 minutes, and asking too early makes it longer.
    penalty: float = 900.0

    def pause(self, header: str | None) -> float:
        """Seconds to wait after a 429: what `Retry-After` asks for, never longer than IBKR's penalty."""
        if header is None or not _SECONDS.match(header):
            return self.penalty
        return min(float(header), self.penalty) or self.penalty

    def limit(self, endpoint: str) -> tuple[str, Limit] | None:
        """The limit of an endpoint's own, with the name of what it counts."""
        if (own := self.endpoints.get(endpoint)) is not None:
            return endpoint, own
        for family, limit in self.families.items():
            if endpoint.startswith(family):
                return family, limit
        return None


_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?\Z")
NO_PACING = Pacing(per_second=None, endpoints={}, families={}, penalty=5.0)


def pacing_for(login: Login) -> Pacing:
    """IBKR's limits, or none for a simulated login."""
    return NO_PACING if login.environment is Environment.SIMULATED else Pacing()
