"""Pending decisions are looked at again: ways out before all else, then the rest, a batch in a transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Case, Max, QuerySet, When

from strategies.deciding.batch import decide_all
from strategies.deciding.record import save
from strategies.domain.rota import Place, Rota
from strategies.models import Decision

PENDING = Decision.Status.PENDING
FIRST = Decision.WayOut.FIRST

Clock = Callable[[], datetime]


def settle_every_pending(team: int, moment: Clock, rota: Rota, began: float) -> tuple[int, Place | None]:
    """All of them, a batch a transaction: what cannot be decided must not stand before what can.

    How many were settled, and where the next turn goes on if this one's time was over.
    """
    settled, place = 0, rota.place(team)
    while True:
        # Whole batches, so that ways out of one moment leave before its entries.
        done, place = _settle_batch(team, moment, rota.most, place)
        settled += done
        if place is None or rota.is_over(began, time.monotonic()):
            return settled, place


@transaction.atomic
def settle_one(pk: int, moment: Clock) -> int:
    """Decide one decision that had to wait, by itself."""
    return _decide(list(_rows().filter(pk=pk)), moment)


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
def _settle_batch(team: int, moment: Clock, most: int, place: Place | None) -> tuple[int, Place | None]:
    """Decide what had to wait for a contract or a fresh book; too late is an answer too.

    How many were settled, and where it goes on if there may be more. As long as all of it is no more than a batch, ways
    out are first within it; what is more is looked at in two rounds, so that they are first in the whole.
    """
    rows = _rows().filter(team=team)
    if place is None:
        decisions = list(rows[:most])
        if len(decisions) < most:
            return _decide(decisions, moment), None
        place = Place(after=0, until=_newest(team), ways_out=True)
    if place.ways_out:
        way_out = rows.filter(way_out=FIRST, pk__gt=place.after, pk__lte=place.until)
        decisions = list(way_out[:most])
        if len(decisions) == most:
            return _decide(decisions, moment, ways_out_only=True), place._replace(after=decisions[-1].pk)
        place = place._replace(after=0, ways_out=False)
        if decisions:
            return _decide(decisions, moment, ways_out_only=True), place
    decisions = list(rows.filter(pk__gt=place.after).exclude(way_out=FIRST, pk__lte=place.until)[:most])
    following = place._replace(after=decisions[-1].pk) if len(decisions) == most else None
    return _decide(decisions, moment), following


def _newest(team: int) -> int:
    return Decision.objects.filter(team=team, status=PENDING).aggregate(newest=Max("pk"))["newest"] or 0


def _decide(decisions: Sequence[Decision], moment: Clock, *, ways_out_only: bool = False) -> int:
    before = {decision.pk: (decision.waiting_for, decision.way_out) for decision in decisions}
    decide_all(decisions, moment(), ways_out_only=ways_out_only, clock=moment)
    settled = [decision for decision in decisions if decision.status != PENDING]
    save([d for d in decisions if d.status != PENDING or (d.waiting_for, d.way_out) != before[d.pk]])
    return len(settled)
