"""Whose turn it is: teams whose signals wait are served in turn, each for a slice of time.

A team that sends ten thousand signals waits for them itself; a team that sends one waits for a slice of the other.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

FIRST_SIZE = 16  # decisions of a team's first turn
FIRST_SIZE_ASIDE = 32  # ... and of its first one beside those of others
LEAST = 4  # ... and of its smallest in company: a transaction costs as much as several decisions
MOST = 100  # decisions of a turn; beyond it a larger transaction saves nothing more
# In company a team has so many turns at once, and then so many a second: what comes meanwhile is decided together, which
# costs less, and the time between is free for a team that comes seldom.
TURNS_AT_ONCE = 5
TURNS_A_SECOND = 10
TURN_SECONDS = 0.03  # a turn that takes longer counts as several
LONGEST_REST = 0.5  # seconds
# A team that decides more than so many at once, and then a second, does much; time counts only where half of it goes into
# the team's turns: on a busy machine a signal or two a second take long as well, and are no flood.
DECISIONS_AT_ONCE = 10
DECISIONS_A_SECOND = 5
DECISION_SECONDS = 0.1
MOST_TEAMS = 10_000  # remembered; a team that is forgotten begins anew


class Place(NamedTuple):
    """Where the pending decisions of a team go on whose turn ended before all of them were looked at.

    Ways out are looked at first: all up to `until`, the newest decision of when the look at the whole began. Then the rest.
    """

    after: int
    until: int
    ways_out: bool


def by_ticker(waiting: Sequence[tuple[int, str]], most: int, first: Collection[int] = ()) -> list[int]:
    """The keys of the signals that a turn takes: one of each ticker, then a second of each, up to `most` of them.

    `waiting`: keys and tickers in the order received, which holds within each ticker. What waits in one ticker, however
    much, stands before no other. `first`: keys that go before the rest, before which nothing else of their ticker stands;
    a quarter of a turn is left for the rest.
    """
    going = _by_ticker([each for each in waiting if each[0] in first], most - most // 4)
    gone = set(going)
    return going + _by_ticker([each for each in waiting if each[0] not in gone], most - len(going))


def _by_ticker(waiting: Sequence[tuple[int, str]], most: int) -> list[int]:
    queues: dict[str, deque[int]] = {}
    for key, ticker in waiting:
        queues.setdefault(ticker, deque()).append(key)
    taken: list[int] = []
    while queues:
        for ticker in list(queues):
            if len(taken) == most:
                return taken
            taken.append(queues[ticker].popleft())
            if not queues[ticker]:
                del queues[ticker]
    return taken


@dataclass(slots=True)
class _Turn:
    """The last turn of a team: when it ended, and how many decisions the next one takes."""

    ended: float
    size: int = FIRST_SIZE
    # The same of one beside those of others.
    size_aside: int = FIRST_SIZE_ASIDE
    # Turns it may still take at once, of those that the team has in the company of others.
    left: float = TURNS_AT_ONCE
    rests_until: float = -math.inf
    # Whether the last one left more of the team's than it took.
    more: bool = False
    # Decisions it may still take at once before it does much; below zero it does.
    budget: float = DECISIONS_AT_ONCE


def _budget(turn: _Turn, now: float) -> float:
    return min(DECISIONS_AT_ONCE, turn.budget + (now - turn.ended) * DECISIONS_A_SECOND)


class Rota:
    """Serves the team that has waited longest. All times are seconds of one steady clock."""

    # How long a turn is to take: short while another team has had one lately, as it may come again any moment.
    ALONE_SECONDS = 0.06
    COMPANY_SECONDS = 0.02
    # A turn of a team that is alone, beside those of others, in seconds of processor: nobody waits for it, and where a busy
    # machine makes it long by the clock, more decisions in one transaction are what takes less of the machine.
    ASIDE_SECONDS = 0.12
    # ... and no longer than so by the clock: a stop of the team, and a way out that comes meanwhile, wait for its end.
    ASIDE_LONGEST = 0.4
    LATELY_SECONDS = 10.0

    def __init__(self, *, most: int = MOST, bounded: bool = True) -> None:
        """`most`: decisions a turn takes at most. Not `bounded`: each turn takes that many, however long it takes."""
        self.most = most
        self.bounded = bounded
        # The team that was served last stands last.
        self._turns: OrderedDict[int, _Turn] = OrderedDict()
        self._places: dict[int, Place] = {}
        # When a team other than the last one was served.
        self._company_at = -math.inf
        # Until when the next one rests of those that were passed by at the last look; None where none was.
        self.rests_until: float | None = None
        # Whether the last turn was of the only team with work, and left none of it.
        self.all_done = False
        # The team whose turn is under way beside the others'. Until it has ended, who would go the same way waits for that.
        self.aside: int | None = None

    def has_more(self, now: float = math.inf) -> bool:
        """Whether the turn of a team that may have another one now ended before all its pending decisions were looked at."""
        return any(not self._waits_for_aside(team, now) for team in self._places)

    def goes_aside(self, team: int, now: float) -> bool:
        """Whether the team's turn is to be taken beside the others': its last one left more of it, or it does much in
        their company. Who comes seldom then stands behind no turn of a team that comes all the time.
        """
        turn = self._turns.get(team)
        if turn is None or not self.bounded:
            return False
        return turn.more or (self._in_company(now) and _budget(turn, now) < 0)

    def _waits_for_aside(self, team: int, now: float) -> bool:
        return self.aside is not None and (team == self.aside or self.goes_aside(team, now))

    def keep(self, teams: Collection[int]) -> None:
        """Only these teams have pending decisions now."""
        self._places = {team: place for team, place in self._places.items() if team in teams}

    def next(self, teams: Collection[int], now: float = math.inf) -> int | None:
        """The one of these teams whose last turn is longest ago, without those that rest or wait for the turn that is under
        way beside these; None where there is none."""
        turns = {team: self._turns.get(team) for team in teams if not self._waits_for_aside(team, now)}
        rests = [turn.rests_until for turn in turns.values() if turn is not None and turn.rests_until > now]
        self.rests_until = min(rests, default=None)
        ready = {
            team: 0.0 if turn is None else turn.ended
            for team, turn in turns.items()
            if turn is None or turn.rests_until <= now
        }
        return min(ready, key=lambda team: (ready[team], team), default=None)

    def free_at(self, team: int, now: float) -> float:
        """From when on the team may have a turn; infinite while that depends on the end of the one under way beside."""
        if self._waits_for_aside(team, now):
            return math.inf
        turn = self._turns.get(team)
        return now if turn is None else max(now, turn.rests_until)

    def size(self, team: int, now: float = math.inf) -> int:
        """How many decisions the team's next turn takes; that under way beside the others', where it has that."""
        if not self.bounded:
            return self.most
        turn = self._turns.get(team) or _Turn(0.0)
        size = turn.size
        if self.aside == team:
            # Others wait for nothing of it but the interpreter, which it holds for longer the more it decides.
            size = max(FIRST_SIZE, size) if self._in_company(now) else turn.size_aside
        return min(size, self.most)

    def is_over(self, began: float, now: float) -> bool:
        """Whether a turn that began then has taken its time."""
        return self.bounded and now - began >= self._slice(now)

    def place(self, team: int) -> Place | None:
        """Where the team's pending decisions go on; None: from the first."""
        return self._places.get(team)

    def served(
        self,
        team: int,
        now: float,
        *,
        seconds: float,
        full: bool,
        place: Place | None = None,
        took: float = 0.0,
        goes_on: bool = False,
        decisions: int = 1,
        processor: float | None = None,
    ) -> None:
        """Note a turn that ended now. `seconds`: what its signals took; `full`: it took as many of them as it may.

        `place`: where its pending decisions go on. `took`: seconds of the whole turn. `goes_on`: it went on with one signal
        for further accounts. `decisions`: how many it took. `processor`: seconds of processor that its signals took; as many
        as by the clock where that is not known.
        """
        was_aside, self.aside = self.aside == team, None if self.aside == team else self.aside
        if self._turns and (last := next(reversed(self._turns))) != team:
            self._company_at = self._turns[last].ended
        turn = self._turns.pop(team, None) or _Turn(now)
        spent = 0.0 if goes_on else max(decisions, took / DECISION_SECONDS)
        turn.budget = max(_budget(turn, now) - spent, -DECISIONS_A_SECOND)
        cost = 0.0 if goes_on else max(1.0, took / TURN_SECONDS)
        turn.left = min(TURNS_AT_ONCE, turn.left + (now - turn.ended) * TURNS_A_SECOND) - cost
        # A signal to many accounts is no flood, however many turns it takes: others have theirs in between. Nor is a signal
        # now and then that a busy machine takes long for.
        much = full or place is not None or turn.budget < 0
        if turn.left < 0 and much and not goes_on and self.bounded and self._in_company(now):
            self._rest(turn, now, took, more=full or place is not None)
        turn.left = max(turn.left, -1.0)
        turn.ended, turn.more = now, full or goes_on or place is not None
        self._places.pop(team, None)
        if place is not None:
            self._places[team] = place
        company = self._in_company(now)
        if was_aside and not company:
            spent_there = seconds if processor is None or seconds > self.ASIDE_LONGEST else processor
            turn.size_aside = self._resized(turn.size_aside, spent_there, self.ASIDE_SECONDS, FIRST_SIZE, full=full)
        else:
            # Alone it stays at its first size at least, also where a busy machine makes all turns long: four turns in place
            # of one cost twice as much, and then the next ones take longer still. Beside the others' nobody who comes seldom
            # waits for it.
            least = LEAST if company and not was_aside else FIRST_SIZE
            slice_seconds = self.ALONE_SECONDS if was_aside else self._slice(now)
            turn.size = self._resized(turn.size, seconds, slice_seconds, least, full=full)
        self._turns[team] = turn
        if len(self._turns) > MOST_TEAMS:
            self._turns.popitem(last=False)

    def _resized(self, size: int, seconds: float, slice_seconds: float, least: int, *, full: bool) -> int:
        """How many the next turn takes where the last one took so long."""
        size = max(least, size)
        if seconds > slice_seconds:
            return max(least, size // 2)
        return min(self.most, size * 2) if full and seconds < slice_seconds / 2 else size

    def _rest(self, turn: _Turn, now: float, took: float, *, more: bool) -> None:
        """Leave as much time as this turn took, and let what comes meanwhile gather unless more waits already."""
        gathering = 0.0 if more else 1 / TURNS_A_SECOND
        turn.rests_until = now + min(max(took, gathering), LONGEST_REST)

    def _slice(self, now: float) -> float:
        return self.COMPANY_SECONDS if self._in_company(now) else self.ALONE_SECONDS

    def _in_company(self, now: float) -> bool:
        return now - self._company_at < self.LATELY_SECONDS
