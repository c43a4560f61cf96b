"""Which part of a long log a page looks through.

No index finds words within bodies, so they are looked for among so many deliveries at a time. Moments are no part of an
index either; but keys rise with them, so that the keys of a time are found by halving.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from django.db.models import Q, QuerySet

from accounts.models import Team
from accounts.newest import order, within
from accounts.pages.paging import anchor_of
from strategies.models import Refusal, Signal

Row = TypeVar("Row", Signal, Refusal)

# Of each kind, signals and refusals. As many bodies are read within some ten milliseconds.
LOOKED_THROUGH = 2_000
# Two deliveries may be stored in another order than they came in; by no more than this.
_OUT_OF_ORDER = timedelta(hours=1)


class Portion(NamedTuple):
    """The keys of the rows that a page looks through, and the code of the last where others may follow, else nothing.

    Keys and no bounds: a query within bounds of the primary key may read what other teams have between them.
    """

    keys: list[int]
    end: str


def portion_of(rows: QuerySet[Row], before: str, code: str) -> Portion:
    """The portion that begins behind the row whose `code` is `before`; `rows` come newest first, by an index."""
    if (anchor := anchor_of(rows.model, before, code)) is not None:
        rows = rows.filter(pk__lt=anchor)
    found = list(rows.values_list("pk", code)[:LOOKED_THROUGH])
    return Portion([pk for pk, _ in found], str(found[-1][1]) if len(found) == LOOKED_THROUGH else "")


def in_time(model: type[Signal] | type[Refusal], team: Team, since: datetime | None, until: datetime | None) -> Q:
    """Received from `since` on and before `until`, each of which may be open."""
    condition = Q()
    if since:
        condition &= Q(received_at__gte=since, pk__gte=_first_key(model, team, since - _OUT_OF_ORDER))
    if until:
        condition &= Q(received_at__lt=until, pk__lt=_first_key(model, team, until + _OUT_OF_ORDER))
    return condition


def _first_key(model: Any, team: Team, moment: datetime) -> int:
    """The key from which on the team's rows came at that moment or later; one index probe for each halving."""
    rows = within(model.objects.all(), team).order_by(*order(model, oldest=True)).values_list("pk", "received_at")
    first, last = rows.first(), rows.reverse().first()
    if first is None or last is None:
        return 0
    low, high = first[0], last[0] + 1
    while low < high:
        middle = (low + high) // 2
        found = rows.filter(pk__gte=middle).first()
        if found is None or found[1] >= moment:
            high = middle
        else:
            low = found[0] + 1
    return int(low)
