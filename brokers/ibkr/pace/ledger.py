"""Which requests left when, and when the next one may. `take.lua` keeps the same ledger for all processes. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from brokers.domain.calls import Rank
from brokers.ibkr.pace.limits import SECOND, Limit, count_for

_CLEAN_EVERY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that would leave. `user` and `way` name whose budgets it takes from, `tenant` who takes turns on the way.

    `through` names the way that it has through a pause, if any.
    """

    user: str
    way: str
    tenant: str
    rank: Rank
    per_user: int
    per_way: int
    endpoint: str = ""
    limit: Limit | None = None
    through: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer: it leaves now, or is asked for again after `wait` seconds, of which its endpoint alone may be the cause.

    `left` are the user's requests that could leave at once after it.
    """

    wait: float
    endpoint: bool = False
    left: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One process's part of the limits, while the processes cannot speak to each other: it is number `index` of
    `processes`, which have been alone `since`. `day` is the time that all their clocks show."""

    processes: int
    index: int
    since: float
    day: float

    def of(self, count: int) -> int:
        return max(1, count // self.processes)

    def wait_for_slot(self, limit: Limit, now: float) -> float:
        """Where there are fewer requests than processes, each has a time slot of its own, with a window between two."""
        quiet = self.since + limit.window - now
        if limit.count >= self.processes:
            return max(0.0, quiet)
        begins, phase = self.index * 2 * limit.window, self.day % (self.processes * 2 * limit.window)
        into = (phase - begins) % (self.processes * 2 * limit.window)
        return max(0.0, quiet, self.processes * 2 * limit.window - into if into >= limit.window else 0.0)


class Ledger:
    """The requests of this process."""

    def __init__(self) -> None:
        self._left: dict[str, deque[float]] = {}
        self._windows: dict[str, float] = {}
        # By way: when a tenant asked last, and when it last had to wait for the others.
        self._tenants: dict[str, dict[str, float]] = {}
        self._waiting: dict[str, dict[str, float]] = {}
        self._takes = 0

    def take(self, ask: Ask, now: float, part: Part | None = None) -> Turn:
        """Write down that the request leaves, where it may."""
        self._clean(now)
        per_user, per_way = (part.of(ask.per_user), part.of(ask.per_way)) if part else (ask.per_user, ask.per_way)
        user, way, on_the_way = f"user:{ask.user}", f"way:{ask.way}", count_for(per_way, ask.rank)
        half = self._wait(way, max(1, on_the_way // 2), SECOND, now)
        crowded = max(self._wait(way, on_the_way, SECOND, now), self._wait_for_others(ask, half, on_the_way, now))
        if crowded > 0:
            self._waiting[ask.way][ask.tenant] = now
        wait = max(self._wait(user, count_for(per_user, ask.rank), SECOND, now), crowded)
        own = self._wait_for_endpoint(ask, part, now)
        if max(own, wait) > 0:
            return Turn(max(own, wait), endpoint=own >= wait, left=self._free(user, per_user, now))
        self.note(ask, now)
        return Turn(0.0, left=self._free(user, per_user, now))

    def note(self, ask: Ask, now: float) -> None:
        """Write down that the request leaves, whoever let it."""
        for key in (f"user:{ask.user}", f"way:{ask.way}", _share(ask)):
            self._note(key, SECOND, now)
        if ask.limit is not None:
            self._note(f"endpoint:{ask.user}:{ask.endpoint}", ask.limit.window, now)

    def slow(self, now: float) -> list[tuple[str, float, float]]:
        """Of the endpoints with windows of more than a second: key, window and how long ago the last one left."""
        return [
            (key, window, now - at)
            for key, window in self._windows.items()
            if window > SECOND
            for at in self._left[key]
            if now - at < window
        ]

    def _wait_for_endpoint(self, ask: Ask, part: Part | None, now: float) -> float:
        if ask.limit is None:
            return 0.0
        count = ask.limit.for_rank(ask.rank)
        key = f"endpoint:{ask.user}:{ask.endpoint}"
        if part is None:
            return self._wait(key, count, ask.limit.window, now)
        wait = self._wait(key, part.of(count), ask.limit.window, now)
        return max(wait, part.wait_for_slot(ask.limit, now))

    def _wait_for_others(self, ask: Ask, half: float, most: int, now: float) -> float:
        """While another tenant waits for the way, and where half of it is taken, nobody gets more than an equal part."""
        tenants, waiting = self._tenants.setdefault(ask.way, {}), self._waiting.setdefault(ask.way, {})
        tenants[ask.tenant] = now
        for names in (tenants, waiting):
            for tenant in [tenant for tenant, at in names.items() if now - at > SECOND]:
                del names[tenant]
        if len(tenants) < 2:
            return 0.0
        wait = self._wait(_share(ask), max(1, most // len(tenants)), SECOND, now)
        return wait if waiting.keys() - {ask.tenant} else min(half, wait)

    def _wait(self, key: str, count: int, window: float, now: float) -> float:
        times = self._left.get(key)
        return 0.0 if times is None or len(times) < count else max(0.0, times[-count] + window - now)

    def _note(self, key: str, window: float, now: float) -> None:
        times = self._left.setdefault(key, deque())
        while times and now - times[0] >= window:
            times.popleft()
        times.append(now)
        self._windows[key] = window

    def _free(self, user: str, per_user: int, now: float) -> int:
        return per_user - sum(now - at < SECOND for at in self._left.get(user, ()))

    def _clean(self, now: float) -> None:
        self._takes += 1
        if self._takes % _CLEAN_EVERY:
            return
        for key in [key for key, times in self._left.items() if now - times[-1] >= self._windows[key]]:
            del self._left[key], self._windows[key]
        for way in [way for way, tenants in self._tenants.items() if all(now - at > SECOND for at in tenants.values())]:
            del self._tenants[way], self._waiting[way]


def _share(ask: Ask) -> str:
    return f"share:{ask.way}:{ask.tenant}:{int(ask.rank)}"
