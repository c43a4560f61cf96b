"""What waits to be pushed: audiences in turn, each with as much as is worth rendering one by one."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

Render = Callable[[], str]
# Renderings that wait for one team. Beyond it its pages read again what they show, which costs less than so many rows.
MOST_OF_A_TEAM = 200
# A row that was just shown rests for so long: long enough to fold what follows of one order into one rendering, too
# short for an eye. What has rested is rendered at once.
GATHER_SECONDS = 0.04


class Audience(NamedTuple):
    """A Channels group, and its team where it hears only while a page of the team is open."""

    group: str
    team_id: int | None


@dataclass(frozen=True, slots=True)
class Push:
    """What waits to be rendered, or a message as it is; it leaves at `due` by the monotonic clock."""

    work: Render | dict[str, Any]
    due: float = 0
    pause: float = 0


class Waiting:
    """Pushes of all audiences. Of one key the last state waits, in the place of its first change. Not for several threads."""

    def __init__(self) -> None:
        # The audience that was served last stands last.
        self._of: OrderedDict[Audience, dict[str, Push]] = OrderedDict()
        # From when on a key that was just rendered may be rendered again.
        self._rested: dict[tuple[Audience, str], float] = {}
        # From when on it is worth a look again whether anybody looks.
        self._unseen: dict[Audience, float] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def add(self, audience: Audience, key: str, work: Render | dict[str, Any], now: float, pause: float = 0) -> bool:
        """Add a push. False where the team has too much: all its renderings are left out, this one too."""
        waiting = self._of.setdefault(audience, {})
        if isinstance(work, dict):
            waiting[key] = Push(work, now)
            return True
        before = waiting.get(key)
        if before is None and len(waiting) >= MOST_OF_A_TEAM:
            self._keep(audience, {key: push for key, push in waiting.items() if isinstance(push.work, dict)})
            return False
        rested = max(self._rested.get((audience, key), now), self._unseen.get(audience, now), now)
        waiting[key] = Push(work, before.due if before else rested, pause)
        return True

    def nobody_looks(self, audience: Audience, now: float) -> None:
        """What is added for this audience waits for a moment: that nobody looks need not be found out for each row."""
        self._unseen[audience] = now + GATHER_SECONDS

    def take(self, now: float, most: int) -> list[tuple[Audience, str, Push]]:
        """At most so many pushes whose time has come: one of each audience, then a second one of each."""
        self._rested = {key: at for key, at in self._rested.items() if at > now}
        self._unseen = {audience: at for audience, at in self._unseen.items() if at > now}
        taken: list[tuple[Audience, str, Push]] = []
        in_turn = deque(self._of)
        while in_turn and len(taken) < most:
            audience = in_turn.popleft()
            waiting = self._of[audience]
            key = next((key for key, push in waiting.items() if push.due <= now), None)
            if key is None:
                continue
            push = waiting.pop(key)
            taken.append((audience, key, push))
            if not isinstance(push.work, dict):
                self._rested[audience, key] = now + max(push.pause, GATHER_SECONDS)
            self._keep(audience, waiting)
            if waiting:
                self._of.move_to_end(audience)
                in_turn.append(audience)
        return taken

    def first_due(self) -> float | None:
        """When the next push may leave; None while none waits."""
        return min((push.due for waiting in self._of.values() for push in waiting.values()), default=None)

    def _keep(self, audience: Audience, waiting: dict[str, Push]) -> None:
        if waiting:
            self._of[audience] = waiting
        else:
            self._of.pop(audience, None)
