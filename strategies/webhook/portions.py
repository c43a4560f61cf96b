"""Which part of a long log a page looks through.

No index finds words within bodies, so they are looked for among so many deliveries at a time. Moments are no part of an
index either; but keys rise with them, so that the keys of a time are found by halving.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, TypeVar

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from accounts.models import Team
from accounts.newest import OUT_OF_ORDER, first_key
from accounts.pages.paging import SIZE, anchor_of
from strategies.models import Refusal, Signal

Row = TypeVar("Row", Signal, Refusal)

# Of each kind, signals and refusals. As many bodies are read within some ten milliseconds.
LOOKED_THROUGH = 2_000
# A body has at most 64 KiB, so this many of them are a few megabytes.
CHUNK = 200


class Portion(NamedTuple):
    """What a page finds in the rows that it looks through: at most one key more than it shows, and the code of the last
    row that was looked at where others may follow, else nothing."""

    keys: list[int]
    end: str


def portion_of(rows: QuerySet[Row], before: str, code: str, wanted: Q) -> Portion:
    """What is `wanted` of the portion that begins behind the row whose `code` is `before`; `rows` come newest first, by an index.

    Postgres answers yes or no for each row of the portion: as a condition of the query it would look for so many rows
    that are wanted, through all of a history in which there are none.
    """
    if (anchor := anchor_of(rows.model, before, code)) is not None:
        rows = rows.filter(pk__lt=anchor)
    is_wanted = ExpressionWrapper(wanted, output_field=BooleanField())
    looked = list(rows.annotate(is_wanted=is_wanted).values_list("pk", "is_wanted")[:LOOKED_THROUGH])
    keys = [pk for pk, is_wanted in looked if is_wanted][: SIZE + 1]
    if len(looked) < LOOKED_THROUGH:
        return Portion(keys, "")
    return Portion(keys, str(rows.model._default_manager.values_list(code, flat=True).get(pk=looked[-1][0])))


def all_in_portions(every: QuerySet[Row], wanted: QuerySet[Row], whole: QuerySet[Row]) -> Iterator[list[Row]]:
    """What is `wanted` of `every`, newest first and with all that `whole` reads, CHUNK rows or less at a time; nothing where
    a portion of LOOKED_THROUGH rows has nothing more.

    No statement looks at more than a portion, which is a span of keys; what arrives meanwhile is left out. `every` comes
    newest first, by an index; a list is freed by whoever takes it before the next one is read.
    """
    before = every
    while portion := list(before.values_list("pk", flat=True)[:LOOKED_THROUGH]):
        keys = list(wanted.filter(pk__lte=portion[0], pk__gte=portion[-1]).values_list("pk", flat=True))
        for first in range(0, len(keys), CHUNK):
            yield list(whole.filter(pk__in=keys[first : first + CHUNK]).order_by("-pk"))
        yield []
        before = every.filter(pk__lt=portion[-1])


def in_time(model: type[Signal] | type[Refusal], team: Team, since: datetime | None, until: datetime | None) -> Q:
    """Received from `since` on and before `until`, each of which may be open."""
    condition = Q()
    if since:
        condition &= Q(received_at__gte=since, pk__gte=first_key(model, team, "received_at", since - OUT_OF_ORDER))
    if until:
        condition &= Q(received_at__lt=until, pk__lt=first_key(model, team, "received_at", until + OUT_OF_ORDER))
    return condition
