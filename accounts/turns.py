"""Whose turn it is: teams that wait for one thing are served one of each in turn, so that no flood stands before the others."""

from __future__ import annotations

import logging
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
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
