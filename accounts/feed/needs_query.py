"""The one query behind the list of needs: written once in the life of a process, asked with each page.

The ORM took longer to write it, a union over all kinds of need, than a page takes for everything else. It is written for
a team and a moment that stand for any other, and each reading puts its own in their places.

What is the same for every team and moment stands in its text, so that Postgres plans it once a connection: planned anew
with each page it cost seven milliseconds as soon as there was a history.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Value

from accounts.models import Team
from accounts.plans import constants

Rows = Callable[[Team, datetime], QuerySet[Any]]

# No team has this key.
_ANY_TEAM = -(2**53) - 11
_ANY_MOMENT = datetime(2000, 1, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _OfTheTeam:
    """The place of a team's key, in the type that the driver is to send it as."""

    type: Callable[[int], int]

    def filled(self, team_pk: int, now: datetime) -> int:
        return self.type(team_pk)


@dataclass(frozen=True, slots=True)
class _FromNow:
    """The place of a moment."""

    distance: timedelta

    def filled(self, team_pk: int, now: datetime) -> datetime:
        return now + self.distance


_Place = _OfTheTeam | _FromNow
Kinds = tuple[tuple[str, Rows], ...]  # of each its name, and what finds its rows


def read(kinds: Kinds, team: Team, now: datetime) -> list[tuple[str, dict[str, Any]]]:
    """Name of the kind and facts of each row found, in no order: a union keeps none."""
    sql, values = statement(kinds, team.pk, now)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [(name, json.loads(facts)) for name, facts in cursor.fetchall()]


def statement(kinds: Kinds, team_pk: int, now: datetime) -> tuple[str, list[Any]]:
    """The query and its values for this team and moment."""
    sql, places = _written(kinds)
    return sql, [place.filled(team_pk, now) for place in places]


def union(kinds: Kinds, team: Team, now: datetime) -> QuerySet[Any, Any]:
    """The same as the ORM would ask it."""
    first, *rest = [
        rows(team, now).annotate(kind_of_need=Value(name)).values_list("kind_of_need", "facts") for name, rows in kinds
    ]
    united: QuerySet[Any, Any] = first.union(*rest, all=True)
    return united


@lru_cache(maxsize=8)
def _written(kinds: Kinds) -> tuple[str, tuple[_Place, ...]]:
    sql, values = union(kinds, Team(pk=_ANY_TEAM), _ANY_MOMENT).query.sql_with_params()
    text, left = constants.written(sql, values, lambda value: _place(value) is None)
    return text, tuple(place for place in map(_place, left) if place is not None)


def _place(value: Any) -> _Place | None:
    """Where a value of the query comes from; None for one that is the same for every team and moment."""
    if isinstance(value, int) and value == _ANY_TEAM:
        return _OfTheTeam(type(value))
    return _FromNow(value - _ANY_MOMENT) if isinstance(value, datetime) else None
