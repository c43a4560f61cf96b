"""What holds for all of a world: IBKR's restarts, the end of its day, or a Postgres that restarts."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import psycopg
from django.test import override_settings

from brokers.domain.sessions import Region
from brokers.postgres.locks import direct_parameters
from brokers.tests.soak.schedules import Sky

# A Friday on which markets are open; and three minutes before the end of IBKR's day in Asia.
_OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
_LATE = datetime(2026, 11, 20, 15, 57, tzinfo=UTC)
_WINDOWS = tuple(f"NA=15:{minute:02}-15:{minute + 1:02} UTC" for minute in (2, 5, 9, 14))
# So often Postgres restarts, so many seconds apart. Afterwards it stays: no list proves anything while the stream has gaps.
_RESTARTS, _APART = 5, (12, 40)


@dataclass(frozen=True)
class Weather:
    """`begins`: when the world does. `region`: whose windows hold for those whom faults meet.

    `nights`: when IBKR is away for them, from second to second. `restarts`: after how many seconds Postgres does.
    `spread`: schedules begin within so many seconds of each other.
    """

    begins: datetime = _OPEN
    region: Region = Region.NORTH_AMERICA
    windows: tuple[str, ...] = ()
    nights: tuple[tuple[datetime, float], ...] = ()
    restarts: tuple[float, ...] = ()
    spread: float = 0.0

    @classmethod
    def of(cls, sky: Sky) -> Weather:
        match sky:
            case "resets":
                nights = tuple((_OPEN + timedelta(minutes=minute), 60.0) for minute in (2, 5, 9, 14))
                return cls(windows=_WINDOWS, nights=nights, spread=120.0)
            case "midnight":
                # No window of this region is near.
                midnight = _LATE + timedelta(minutes=3)
                return cls(begins=_LATE, region=Region.ASIA, nights=((midnight, 5.0),), spread=170.0)
            case "database":
                dice = random.Random(15)
                pauses = [dice.uniform(*_APART) for _ in range(_RESTARTS)]
                return cls(restarts=tuple(accumulate(pauses)))
        return cls()

    @property
    def meets_all(self) -> bool:
        """Whether it meets the one whom no fault meets as well."""
        return bool(self.restarts)

    def pause(self) -> float:
        """Seconds after which a schedule begins."""
        return _dice.uniform(0.0, self.spread)

    @contextlib.contextmanager
    def set_up(self) -> Iterator[None]:
        """As an operator sets the windows."""
        _dice.seed(15)
        if not self.windows:
            yield
            return
        with override_settings(RESET_WINDOWS=self.windows, RESET_GATE_SECONDS=20):
            yield


_dice = random.Random()


def restart_postgres() -> None:
    """End every session of this database but the one that asks for it, and wait until they have: what a restart does to its clients."""
    with psycopg.connect(**direct_parameters()) as session:
        # A session that is told to end and has not yet still answers the pool's check, and ends in the question after it.
        session.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
