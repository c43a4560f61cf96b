"""Pending decisions are looked at again: ways out before all else, then the rest, a batch in a transaction."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Case, Max, Q, QuerySet, When

from brokers.postgres.written import Question, written_once
from strategies.deciding.batch import decide_all
from strategies.deciding.record import save
from strategies.deciding.turns import first_of_each
from strategies.domain.revisits import Look, Seen
from strategies.domain.rota import Place, Rota
from strategies.models import Decision

PENDING = Decision.Status.PENDING
FIRST = Decision.WayOut.FIRST
# So many of each line are looked at where more waits than a batch.
LOOKED_AT = 16
# And so many ways out: a sale that may close stands before an exit that takes the place of all.
WAYS_OUT_LOOKED_AT = 4

Clock = Callable[[], datetime]


class Looked(NamedTuple):
    """How many were settled, where the next turn goes on if this one's time was over, and what was seen."""

    settled: int
    place: Place | None
    seen: Seen


def settle_pending(team: int, moment: Clock, rota: Rota, began: float, look: Look) -> Looked:
    """Those that the look is at, a batch a transaction: what cannot be decided must not stand before what can.

    `began`: when the turn did.
    """
    settled, place, seen = 0, rota.place(team), Seen()
    for decisions in _beginnings(team, moment, rota.most, look) if look.deep and place is not None else ():
        settled += sum(decision.status != PENDING for decision in decisions)
        seen = seen.and_also(seen_of(decisions))
    while True:
        # Whole batches, so that ways out of one moment leave before its entries.
        decisions, place = _settle_batch(team, moment, rota.most, place, look)
        settled += sum(decision.status != PENDING for decision in decisions)
        seen = seen.and_also(seen_of(decisions))
        if place is None or rota.is_over(began, time.monotonic()):
            return Looked(settled, place, seen)


def _beginnings(team: int, moment: Clock, most: int, look: Look) -> Iterator[list[Decision]]:
    """The ways out and the beginnings of lines, a batch of each: they wait for no look at the ends of thousands."""
    place: Place | None = Place(after=0, until=_newest(team), ways_out=True)
    for _ in range(2):
        if place is not None:
            decisions, place = _settle_batch(team, moment, most, place, look._replace(deep=False))
            yield decisions


@transaction.atomic
def settle_one(pk: int, moment: Clock) -> int:
    """Decide one decision that had to wait, by itself."""
    decisions = _decide(list(_rows().filter(pk=pk)), moment)
    return sum(decision.status != PENDING for decision in decisions)


def seen_of(decisions: Iterable[Decision]) -> Seen:
    """By connection, what became of decisions."""
    waiting, taken = set[int](), set[int]()
    for decision in decisions:
        (waiting if decision.status == PENDING else taken).add(decision.subscription.account.connection_id)
    return Seen(frozenset(waiting), frozenset(taken))


def by_urgency(team: int, most: int) -> list[int]:
    """Keys of a team's pending decisions, ways out first."""
    order = Case(When(way_out=FIRST, then=0), default=1)
    return list(
        Decision.objects.filter(team=team, status=PENDING).order_by(order, "pk").values_list("pk", flat=True)[:most]
    )


# The limits go by the newest terms of a subscription, which may be others than those of its decision.
_WITH = ("signal__strategy", "subscription__account__connection", "subscription__terms", "terms")


def _rows() -> QuerySet[Decision]:
    pending = Decision.objects.filter(status=PENDING).select_for_update(of=("self",), skip_locked=True)
    return pending.select_related(*_WITH).order_by("pk")


@transaction.atomic
def _settle_batch(
    team: int, moment: Clock, most: int, place: Place | None, look: Look
) -> tuple[list[Decision], Place | None]:
    """Decide what had to wait for a contract or a fresh book; too late is an answer too.

    Those looked at, and where it goes on if there may be more. As long as all of it is no more than a batch, ways
    out are first within it; what is more is looked at in two rounds, so that they are first in the whole, and only the
    beginning of each line unless the look is deep.
    """
    of = None if look.of is None else sorted(look.of)
    if place is None:
        decisions = _first(most)(team, of)
        if len(decisions) < most:
            return _decide(decisions, moment), None
        place = Place(after=0, until=_newest(team), ways_out=True)
    rows, waiting = _at(_rows(), team, of), _at(Decision.objects.filter(status=PENDING), team, of)
    if not look.deep:
        rows = rows.filter(_may_be_taken(waiting))
    if place.ways_out:
        way_out = rows.filter(way_out=FIRST, pk__gt=place.after, pk__lte=place.until)
        decisions = list(way_out[:most])
        if len(decisions) == most:
            return _decide(decisions, moment, ways_out_only=True), place._replace(after=decisions[-1].pk)
        place = place._replace(after=0, ways_out=False)
        if decisions:
            return _decide(decisions, moment, ways_out_only=True), place
    # What is newer had a turn of its own when it came, and the next look has it.
    rest = rows.filter(pk__gt=place.after, pk__lte=place.until).exclude(way_out=FIRST)
    decisions = list(rest[:most])
    following = place._replace(after=decisions[-1].pk) if len(decisions) == most else None
    return _decide(decisions, moment), following


@functools.lru_cache(maxsize=16)
def _first(most: int) -> Question[[int, list[int] | None], Decision]:
    """A question for so many of a team's that wait, the oldest first: at some connections, or all."""

    @written_once
    def first(team: int, of: list[int] | None) -> QuerySet[Decision]:
        return _at(_rows(), team, of)[:most]

    return first


def _at(rows: QuerySet[Decision], team: int, of: list[int] | None) -> QuerySet[Decision]:
    """Those of a team, and of some connections where these are named."""
    of_team = rows.filter(team=team)
    return of_team if of is None else of_team.filter(subscription__account__connection__in=of)


def _may_be_taken(waiting: QuerySet[Decision]) -> Q:
    """The beginning of each line, and the first way out in it: it may take the place of entries before it."""
    ways_out = waiting.exclude(way_out=Decision.WayOut.NO)
    return Q(pk__in=first_of_each(waiting, LOOKED_AT)) | Q(pk__in=first_of_each(ways_out, WAYS_OUT_LOOKED_AT))


def _newest(team: int) -> int:
    return Decision.objects.filter(team=team, status=PENDING).aggregate(newest=Max("pk"))["newest"] or 0


def _decide(decisions: list[Decision], moment: Clock, *, ways_out_only: bool = False) -> list[Decision]:
    before = {decision.pk: (decision.waiting_for, decision.way_out) for decision in decisions}
    decide_all(decisions, moment(), ways_out_only=ways_out_only, clock=moment)
    save([d for d in decisions if d.status != PENDING or (d.waiting_for, d.way_out) != before[d.pk]])
    return decisions
