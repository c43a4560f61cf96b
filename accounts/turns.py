"""Whose turn it is: teams that wait for one thing are served one of each in turn, so that no flood stands before the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import F, QuerySet, Window
from django.db.models.functions import Random, RowNumber

log = logging.getLogger(__name__)

Key = TypeVar("Key")
Item = TypeVar("Item")


class Turns(Generic[Key, Item]):
    """A queue that gives one item of each key in turn; of one key in the order received. Not for several threads."""

    def __init__(self) -> None:
        # The key that was served last stands last.
        self._waiting: OrderedDict[Key, deque[Item]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, key: Key, item: Item) -> None:
        self._waiting.setdefault(key, deque()).append(item)
        self._count += 1

    def take(self) -> Item:
        """The next item. Raises KeyError where none waits."""
        key, items = self._waiting.popitem(last=False)
        item = items.popleft()
        self._count -= 1
        if items:
            self._waiting[key] = items
        return item


def one_of_each(items: Iterable[Item], key: Callable[[Item], Key], now: datetime) -> list[Item]:
    """One item of each key, then a second of each. Who comes first, and which of theirs, differs from moment to moment.

    For what stands for long and is looked at again and again: what one look has no time for, another one begins with.
    """
    shuffled = list(items)
    random.Random(now.timestamp()).shuffle(shuffled)
    turns = Turns[Key, Item]()
    for item in shuffled:
        turns.put(key(item), item)
    return [turns.take() for _ in range(len(turns))]


def in_turn(rows: QuerySet[Any], most: int, *, team: str = "team_id", order: str = "pk") -> list[int]:
    """The keys of at most so many rows: the first of each team, then the second of each. `team`: the way to the team.

    `order`: which of a team's is its first; "?" is another one each time, for rows that may stay due though they were
    looked at: in an order that stays, those that cannot move would stand before those that can. All rows that wait are
    numbered, so they must be few or found by an index of what waits.
    """
    first = Random() if order == "?" else F(order)
    number = Window(RowNumber(), partition_by=F(team), order_by=[first, F("pk")])
    numbered = rows.order_by().annotate(number=number).order_by("number", order, "pk")
    return list(numbered.values_list("pk", flat=True)[:most])


def in_portions(items: Sequence[Item], work: Callable[[list[Item]], int], *, at_once: int, seconds: float) -> int:
    """Do `work` for so many items at once until the time is over; the sum of what it says. One portion is always done.

    What is left waits for the next look: nobody's work is held up for longer, however much there is. Where a portion
    fails, its items are done one by one, and those that fail alone are logged and left: one row that cannot be worked
    stands before no other. So `work` undoes what it did where it raises, or may be done twice. Raises OperationalError
    and InterfaceError, which are the database's and about no item.
    """
    count, end = 0, time.monotonic() + seconds
    for first in range(0, len(items), at_once):
        count += _portion(list(items[first : first + at_once]), work)
        if time.monotonic() >= end:
            break
    return count


def _portion(items: list[Item], work: Callable[[list[Item]], int]) -> int:
    try:
        return work(items)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        if len(items) == 1:
            log.exception("%s could not be worked; the others go on", items[0])
            return 0
        log.warning("One of %s could not be worked; each is tried alone", len(items))
    return sum(_portion([item], work) for item in items)


def each_alone(chores: Sequence[Callable[[datetime], object]], clock: Callable[[], datetime]) -> None:
    """Do one chore after the other, each with its moment; one that fails is logged and keeps no other from being done."""
    for chore in chores:
        try:
            chore(clock())
        except Exception:
            log.exception("%s failed; the others go on", chore)


# Manners between those who work side by side in one process ----------------------------------------------------------

LATELY_SECONDS = 10.0  # for so long a team counts as company after it did something
MOST_TEAMS = 10_000  # remembered


@dataclass(slots=True)
class _Team:
    """What a team may still do at once, as of what it did last."""

    at: float
    left: float


class Allowances:
    """What each team may do at once and then a second, and who does more although others are there.

    `now` is always seconds of one steady clock.
    """

    def __init__(self, at_once: float, a_second: float) -> None:
        self.at_once, self.a_second = at_once, a_second
        # The team that did something last stands last.
        self._teams: OrderedDict[int, _Team] = OrderedDict()

    def note(self, team: int, now: float) -> None:
        """The team has done one thing."""
        known = self._teams.pop(team, None) or _Team(now, self.at_once)
        left = min(self.at_once, known.left + (now - known.at) * self.a_second)
        self._teams[team] = _Team(now, max(left - 1, -1.0))
        if len(self._teams) > MOST_TEAMS:
            self._teams.popitem(last=False)

    def is_over(self, team: int, now: float) -> bool:
        """Whether the team has used up what it may do at once."""
        known = self._teams.get(team)
        return known is not None and known.left + (now - known.at) * self.a_second < 0

    def in_company(self, team: int, now: float) -> bool:
        """Whether another team has done something lately."""
        for other, known in reversed(self._teams.items()):
            if now - known.at >= LATELY_SECONDS:
                return False
            if other != team:
                return True
        return False

    def floods(self, team: int, now: float) -> bool:
        """Whether the team does much while another one is there."""
        return self.is_over(team, now) and self.in_company(team, now)


# Units of work that a team does at once, and then a second, before it has to let others go first.
AT_ONCE, A_SECOND = 10.0, 5.0
# For so long a unit is let go first, and so long one that does much rests at most: a broker that hangs stops nobody.
LONGEST_SECONDS = 0.1


class Manners:
    """Who works in a process: a team that does much lets another go first, and not for long.

    Of one event loop; `clock`: seconds of a steady clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._allowances = Allowances(AT_ONCE, A_SECOND)
        # The units under way, each as its team and when it began.
        self._under_way: dict[object, tuple[int, float]] = {}
        self._ended = asyncio.Event()

    @contextlib.contextmanager
    def at_work(self, team: int) -> Iterator[None]:
        """A unit of the team's work is under way."""
        mark = object()
        self._under_way[mark] = (team, self.clock())
        try:
            yield
        finally:
            del self._under_way[mark]
            # Those who wait now look again; who comes later waits for another end.
            self._ended.set()
            self._ended.clear()

    def done(self, team: int) -> None:
        """Note a unit that the team has done."""
        self._allowances.note(team, self.clock())

    def does_much(self, team: int, now: float) -> bool:
        """Whether the team has used up what it may do at once."""
        return self._allowances.is_over(team, now)

    def wait(self, team: int, now: float, *, asked: float, rested: float) -> float:
        """Seconds for which the team's next unit waits if no other unit ends before; 0: it may go on.

        `asked`: since when it waits. `rested`: the moment at which it has rested from its last unit.
        """
        if not self.does_much(team, now) or not self._in_company(team, now):
            return 0.0
        others = [
            began + LONGEST_SECONDS
            for other, began in self._under_way.values()
            if other != team and not self.does_much(other, now)
        ]
        until = max(min(rested, asked + LONGEST_SECONDS), *others, -math.inf)
        # However many come one after the other, it waits no longer than for two.
        return max(0.0, min(until, asked + 2 * LONGEST_SECONDS) - now)

    async def let_others(self, team: int, *, rested: float = 0.0) -> None:
        """Wait until it is the team's turn again; `rested` as for `wait`."""
        asked = self.clock()
        while (pause := self.wait(team, self.clock(), asked=asked, rested=rested)) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ended.wait()

    def _in_company(self, team: int, now: float) -> bool:
        working = any(other != team for other, _ in self._under_way.values())
        return working or self._allowances.in_company(team, now)
