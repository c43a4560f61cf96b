"""What waits to be pushed: audiences in turn, each with as much as is worth rendering one by one."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from accounts.turns import Allowances

Render = Callable[[], str]
# Renderings that wait for one team. Beyond it its pages read again what they show, which costs less than so many rows.
MOST_OF_A_TEAM = 200
# A row that was just shown rests for so long: long enough to fold what follows of one order into one rendering, too
# short for an eye. What has rested is rendered at once.
GATHER_SECONDS = 0.04
# What pauses between two renderings costs more than a row, and gives way to rows for so long.
GIVES_WAY_SECONDS = 0.5
# Renderings of a team at once, and then a second, while another team's rows change too. Beyond it the team rests for so long:
# rendering takes the same processor, and the same interpreter, as deciding and sending somebody else's orders.
AT_ONCE, A_SECOND, REST_SECONDS = 40, 10, 1.0


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


class Taken(NamedTuple):
    """A push whose turn it is."""

    audience: Audience
    key: str
    push: Push


class Waiting:
    """Pushes of all audiences. Of one key the last state waits, in the place of its first change. Not for several threads."""

    def __init__(self) -> None:
        # The audience that was served last stands last.
        self._of: OrderedDict[Audience, dict[str, Push]] = OrderedDict()
        # From when on a key that was just rendered may be rendered again.
        self._rested: dict[tuple[Audience, str], float] = {}
        # From when on it is worth a look again whether anybody looks.
        self._unseen: dict[Audience, float] = {}
        self._forgets_at = -math.inf
        self._allowances = Allowances(AT_ONCE, A_SECOND)
        # Until when the rows of an audience rest whose team floods.
        self._resting: dict[Audience, float] = {}
        # Teams of which too much waited: all their renderings were left out. Who reads it empties it.
        self.left_out: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._of)

    def add(self, audience: Audience, key: str, work: Render | dict[str, Any], now: float, pause: float = 0) -> None:
        """Add a push. Where the team has too much, all its renderings are left out, this one too."""
        waiting = self._of.setdefault(audience, {})
        if isinstance(work, dict):
            waiting[key] = Push(work, now)
            return
        before = waiting.get(key)
        if before is None and len(waiting) >= MOST_OF_A_TEAM:
            self._leave_out(audience)
            return
        rested = max(self._rested.get((audience, key), now), self._unseen.get(audience, now), now)
        waiting[key] = Push(work, before.due if before else rested, pause)

    def nobody_looks(self, audience: Audience, now: float) -> None:
        """Renderings whose time has come are left out, and what is added for this audience waits for a moment: that nobody
        looks need not be found out for each row."""
        self._unseen[audience] = now + GATHER_SECONDS
        waiting = self._of.get(audience, {})
        seen = {key: push for key, push in waiting.items() if isinstance(push.work, dict) or push.due > now}
        self._keep(audience, seen)

    def take(self, now: float) -> Taken | None:
        """The next row or message whose time has come, of the audience that was served longest ago."""
        self._forget(now)
        self._end_rests(now)
        return self._taken(now, lambda push, _: not push.pause)

    def take_costly(self, now: float) -> Taken | None:
        """The same of what costs more than a row: it gives way while a row is due, and not for long."""
        gives_way = self._is_due(now)
        return self._taken(now, lambda push, due: push.pause > 0 and (not gives_way or now - due >= GIVES_WAY_SECONDS))

    def _taken(self, now: float, fits: Callable[[Push, float], bool]) -> Taken | None:
        for audience, waiting in self._of.items():
            for key, push in waiting.items():
                due = self._due(audience, push)
                if due <= now and fits(push, due):
                    return self._take_out(audience, key, now)
        return None

    def _take_out(self, audience: Audience, key: str, now: float) -> Taken:
        waiting = self._of[audience]
        push = waiting.pop(key)
        if not isinstance(push.work, dict):
            self._rested[audience, key] = now + max(push.pause, GATHER_SECONDS)
            self._note(audience, now)
        self._keep(audience, waiting)
        if waiting:
            self._of.move_to_end(audience)
        return Taken(audience, key, push)

    def first_due(self) -> float | None:
        """When the next row or message may leave; None while none waits."""
        return min((due for push, due in self._dues() if not push.pause), default=None)

    def first_costly(self, now: float) -> float | None:
        """When `take_costly` next has something, unless a row comes meanwhile; None while none waits."""
        first = min((due for push, due in self._dues() if push.pause), default=None)
        return first if first is None or not self._is_due(now) else first + GIVES_WAY_SECONDS

    def _forget(self, now: float) -> None:
        """Drop what is past, now and then: it says nothing any more."""
        if now >= self._forgets_at:
            self._forgets_at = now + GATHER_SECONDS
            self._rested = {key: at for key, at in self._rested.items() if at > now}
            self._unseen = {audience: at for audience, at in self._unseen.items() if at > now}

    def _is_due(self, now: float) -> bool:
        """Whether a row or a message may leave now."""
        first = self.first_due()
        return first is not None and first <= now

    def _dues(self) -> Iterator[tuple[Push, float]]:
        for audience, waiting in self._of.items():
            for push in waiting.values():
                yield push, self._due(audience, push)

    def _due(self, audience: Audience, push: Push) -> float:
        # A message is no rendering: that somebody is signed out waits for nothing.
        return push.due if isinstance(push.work, dict) else max(push.due, self._resting.get(audience, push.due))

    def _note(self, audience: Audience, now: float) -> None:
        """A row of the audience is rendered: beyond what its team may have in company, the next ones rest."""
        if audience.team_id is None:
            return
        self._allowances.note(audience.team_id, now)
        if self._allowances.floods(audience.team_id, now):
            self._resting[audience] = now + REST_SECONDS

    def _end_rests(self, now: float) -> None:
        """Of whom more has come meanwhile than the rest allows, all is left out, and the next rest begins."""
        for audience in [audience for audience, until in self._resting.items() if until <= now]:
            del self._resting[audience]
            renderings = sum(not isinstance(push.work, dict) for push in self._of.get(audience, {}).values())
            if renderings > A_SECOND * REST_SECONDS:
                self._leave_out(audience)
                self._resting[audience] = now + REST_SECONDS

    def _leave_out(self, audience: Audience) -> None:
        waiting = self._of.get(audience, {})
        self._keep(audience, {key: push for key, push in waiting.items() if isinstance(push.work, dict)})
        if audience.team_id is not None:
            self.left_out.add(audience.team_id)

    def _keep(self, audience: Audience, waiting: dict[str, Push]) -> None:
        if waiting:
            self._of[audience] = waiting
        else:
            self._of.pop(audience, None)
