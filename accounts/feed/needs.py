"""What needs somebody now: one list, for the dashboard, the banner and the counts in the navigation.

Each app names its own kinds of needs (`NEEDS` in the settings). Every page shows the list, so one query reads the rows of
all kinds. Code that changes a need calls `needs_changed`, which reads the list and pushes it after the commit. `refresh`
pushes, every few seconds, what the clock alone has changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import cached_property
from hashlib import blake2s
from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import JSONObject
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.feed import needs_query
from accounts.feed.pushes import push_on_commit, watched_teams
from accounts.models import Team

# A burst of changes is read once at its beginning and once at its end.
PAUSE_SECONDS = 0.5
# The navigation stands on a page three times: beside it, in the sheet of a phone, and in its row of tabs.
PLACES = ("side", "more", "tab")


class Urgency(IntEnum):
    """What comes first in the list."""

    DANGER = 1
    DOUBT = 2
    SESSION = 3
    ANSWER = 4
    STOP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One line: what is the matter, what it means, and where to go. `key` tells it from every other need of the team."""

    key: str
    urgency: Urgency
    symbol: str
    title: str
    text: str
    href: str
    action: str
    # Whether every page says it, above what it shows.
    alarm: bool = False
    # The page of the navigation that counts it, and as how many.
    page: str = ""
    count: int = 1
    since: datetime | None = None
    until: datetime | None = None


# What the lines of one row are made of: as JSON has it, so moments and amounts are texts.
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of need: `rows` finds what it is about (see `with_facts`), and `lines` says it.

    `rows` is asked once in the life of a process (needs_query.py). So of the team it uses the key alone, and of the moment
    nothing but moments at a fixed distance.
    """

    name: str
    rows: Callable[[Team, datetime], QuerySet[Any]]
    lines: Callable[[Team, datetime, list[Facts]], Iterable[Need]]


def with_facts(rows: QuerySet[Any], **columns: Any) -> QuerySet[Any]:
    """The rows, each with what its line says: columns by name, `pk` and a name of a column for itself."""
    annotated: QuerySet[Any] = rows.annotate(facts=JSONObject(pk=F("pk"), **columns))
    return annotated


def moment(facts: Facts, name: str) -> datetime | None:
    """A moment among the facts."""
    return datetime.fromisoformat(facts[name]) if facts[name] else None


@dataclass(frozen=True)
class Needs:
    """A team's needs at a moment, the most pressing first."""

    team: Team
    rows: tuple[Need, ...]
    read_at: datetime

    @property
    def alarms(self) -> list[Need]:
        return [need for need in self.rows if need.alarm]

    @property
    def counts(self) -> dict[str, int]:
        """How many lines there are, and how much waits at each page of the navigation."""
        pages = {need.page for need in self.rows} - {""}
        waiting = {page: sum(need.count for need in self.rows if need.page == page) for page in pages}
        return {"approvals": 0, **waiting, "dashboard": len(self.rows)}

    @cached_property
    def version(self) -> str:
        """Alike for lists that read alike: a page leaves such a list as it is."""
        return blake2s(repr(self.rows).encode(), digest_size=8).hexdigest()

    @property
    def stamp(self) -> int:
        """When it was read, in microseconds: two processes may push, and the older reading may arrive last."""
        return int(self.read_at.timestamp() * 1_000_000)


def needs_of(team: Team, now: datetime) -> Needs:
    """What waits for a person; in a closed team nothing does."""
    read_at = timezone.now()
    if team.closed_at is not None:
        return Needs(team, (), read_at)
    kinds = _kinds()
    facts = _facts(kinds, team, now)
    rows = [need for kind in kinds for need in kind.lines(team, now, facts[kind.name])]
    return Needs(team, tuple(sorted(rows, key=lambda need: need.urgency)), read_at)


def needs_changed(team_pk: int) -> None:
    """After commit, every open page of the team shows what needs somebody."""
    push_on_commit(team_pk, "needs", lambda: needs_html(team_pk), pause=PAUSE_SECONDS)


def needs_html(team_pk: int) -> str:
    """The list, the banner and the counts, each as a page has it."""
    team = Team.objects.get(pk=team_pk)
    context = {"team": team, "needs": needs_of(team, timezone.now())}
    parts = [render_to_string(f"ui/{name}.html", context) for name in ("_needs", "_banner")]
    for page in ("dashboard", "approvals"):
        parts += [
            render_to_string("ui/_needs_count.html", {**context, "page": page, "where": where}) for where in PLACES
        ]
    return "".join(f"<template>{part}</template>" for part in parts)


def refresh() -> None:
    """Push the needs of every team that has a page open: a lockout ends and a limit loses its figure by the clock alone."""
    for team_pk in watched_teams(set(Team.objects.values_list("pk", flat=True))):
        needs_changed(team_pk)


def _facts(kinds: Sequence[Kind], team: Team, now: datetime) -> dict[str, list[Facts]]:
    """What every kind has found, by its name, in no order."""
    facts: dict[str, list[Facts]] = defaultdict(list)
    for name, row in needs_query.read(tuple((kind.name, kind.rows) for kind in kinds), team, now):
        facts[name].append(row)
    return facts


def _kinds() -> list[Kind]:
    return [kind for path in settings.NEEDS for kind in import_string(path)]
