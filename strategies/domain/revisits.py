"""When decisions that wait are looked at again: when something is told of their connection, and without that once a second.

All times are seconds of one steady clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

EVERY_SECONDS = 1.0  # between two looks at all connections of a team, where nothing is told
DEEP_SECONDS = 10.0  # between two looks that also reach the ends of long lines, or ten times as long as one took
MOST_TOLD = 10_000  # connections that something was told of; beyond it those are forgotten whose time is past
MOST_TEAMS = 10_000  # remembered; a team that is forgotten is looked at as a whole

Connections = frozenset[int]


class Look(NamedTuple):
    """One look at a team's waiting decisions, however many turns it takes. `of`: their connections; None: all of them.

    `deep`: also at those that stand far behind others in a long line. None of them can be taken before those, and the ends of
    thousands are looked at rarely: to say that their time is over.
    """

    began: float
    of: Connections | None = None
    deep: bool = False

    def also(self, connections: Connections) -> Look:
        return self if self.of is None else self._replace(of=self.of | connections)


class Seen(NamedTuple):
    """What a turn came upon: the connections of the decisions that it left waiting, and of those that it took."""

    waiting: Connections = frozenset()
    taken: Connections = frozenset()

    def and_also(self, other: Seen) -> Seen:
        return Seen(self.waiting | other.waiting, self.taken | other.taken)


@dataclass(slots=True)
class _Team:
    """What is known of a team's waiting decisions."""

    # When the last look began, and the last one at all of them.
    at: float = -math.inf
    all_at: float = -math.inf
    # From when on a look is deep.
    deep_from: float = -math.inf
    # Connections whose decisions wait, as far as these looks saw.
    waiting: Connections = frozenset()
    # The look that is not over, and whose decisions it left waiting so far.
    look: Look | None = None
    left: Connections = frozenset()


class Revisits:
    """Which of a team's waiting decisions are to be looked at now."""

    def __init__(self) -> None:
        self._teams: dict[int, _Team] = {}
        # Those of which something is known to wait.
        self._waiting: set[int] = set()
        # When something was told of a connection last, and when of all of them.
        self._told: dict[int, float] = {}
        self._told_all = -math.inf

    def told(self, connections: Iterable[int] | None, now: float) -> None:
        """Something has changed at these connections that a decision may wait for; None: at any of them."""
        if connections is None:
            self._told_all = now
            return
        self._told.update(dict.fromkeys(connections, now))
        if len(self._told) > MOST_TOLD:
            # A team that has not looked since then looks at all.
            self._told = {each: at for each, at in self._told.items() if now - at < EVERY_SECONDS}

    def awaited(self, connections: Connections) -> bool:
        """Whether decisions of one of these are known to wait."""
        return any(not self._teams[team].waiting.isdisjoint(connections) for team in self._waiting)

    def due(self, team: int, now: float) -> Look | None:
        """What a turn of the team looks at, or goes on to look at; None: at none of its waiting decisions."""
        known = self._teams.get(team)
        if known is None:
            return Look(now, deep=True)
        if known.look is not None:
            return known.look
        if self._told_all >= known.at or now - known.all_at >= EVERY_SECONDS:
            return Look(now, deep=now >= known.deep_from)
        of = frozenset(each for each in known.waiting if self._told.get(each, -math.inf) >= known.at)
        return Look(now, of) if of else None

    def next_at(self, free_at: Callable[[int], float]) -> float:
        """When something that is known to wait is looked at again although nothing is told; infinite where nothing waits.

        `free_at`: from when on a team may have a turn.
        """
        return min(
            (max(self._teams[team].all_at + EVERY_SECONDS, free_at(team)) for team in self._waiting), default=math.inf
        )

    def keep(self, teams: Collection[int]) -> None:
        """Only of these teams something waits now."""
        for team in [each for each in self._waiting if each not in teams]:
            known = self._teams[team]
            known.waiting, known.look, known.left = frozenset(), None, frozenset()
            self._waiting.discard(team)

    def looked(self, team: int, look: Look | None, seen: Seen, now: float, *, goes_on: bool = False) -> None:
        """Note a turn that ended now. `look`: what it looked at, if anything; `goes_on`: the next turn goes on with that."""
        known = self._teams.setdefault(team, _Team())
        known.waiting |= seen.waiting
        known.look = look if goes_on else None
        if look is not None:
            known.left |= seen.waiting
            if not goes_on:
                self._over(known, look)
            if look.deep and not goes_on:
                known.deep_from = now + max(DEEP_SECONDS, 10 * (now - look.began))
        if known.waiting or known.look is not None:
            self._waiting.add(team)
        else:
            self._waiting.discard(team)
        # What was taken may have stood before something else.
        self.told(seen.taken, now)
        if len(self._teams) > MOST_TEAMS:
            self._teams = {each: self._teams[each] for each in self._waiting}

    def _over(self, known: _Team, look: Look) -> None:
        known.at = look.began
        if look.of is None:
            known.all_at, known.waiting = look.began, known.left
        else:
            known.waiting = (known.waiting - look.of) | known.left
        known.left = frozenset()

    def forget(self, team: int) -> None:
        """Nobody knows what a turn looked at: the next one looks at all."""
        self._teams.pop(team, None)
        self._waiting.discard(team)
