"""The newest rows of a team, or of one of its things, read by the index that holds them in this order.

`WHERE team_id = 7 ORDER BY id DESC LIMIT 50` invites Postgres to walk the primary key from its end, past all that other
teams have written since. Bounds instead of an equality, and an order that begins with the same column, leave it only the
index over both: Postgres reads fifty rows, however many others have.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)
# Two rows may be stored in another order than that of their moments; by no more than this.
OUT_OF_ORDER = timedelta(hours=1)


def newest(rows: models.QuerySet[Row], owner: Any, column: str = "team") -> models.QuerySet[Row]:
    """The rows whose `column` is `owner`, newest first."""
    return within(rows, owner, column).order_by(*order(rows.model, column))


def within(rows: models.QuerySet[Row], owner: Any, column: str = "team") -> models.QuerySet[Row]:
    """The rows whose `column` is `owner`, to be put in one of the orders below."""
    return rows.filter(**{f"{column}__gte": owner, f"{column}__lte": owner})


def first_key(model: type[models.Model], owner: Any, rising: str, moment: datetime, column: str = "team") -> int:
    """The key from which on the owner's rows have that moment or a later one in `rising`, which rises with keys.

    Moments are no part of an index over owner and key, so the key is found by halving: one probe of the index for each.
    """
    rows = within(model._default_manager.all(), owner, column).order_by(*order(model, column, oldest=True))
    probes = rows.values_list("pk", rising)
    first, last = probes.first(), probes.reverse().first()
    if first is None or last is None:
        return 0
    low, high = first[0], last[0] + 1
    while low < high:
        middle = (low + high) // 2
        found = probes.filter(pk__gte=middle).first()
        if found is None or found[1] >= moment:
            high = middle
        else:
            low = found[0] + 1
    return int(low)


def order(model: type[models.Model], column: str = "team", *, oldest: bool = False) -> tuple[str, str]:
    """Newest first, or `oldest` first, as an index over the column and the key is walked."""
    newest_first = ("-", "-") if _rises(model, column) else ("", "-")
    signs = tuple("" if sign else "-" for sign in newest_first) if oldest else newest_first
    return f"{signs[0]}{column}", f"{signs[1]}pk"


@cache
def _rises(model: type[models.Model], column: str) -> bool:
    """Whether both parts of the index have the same direction; a table without any is small, and either will do."""
    falling = {(column, "-id"), (column, "-pk")}
    return not any(tuple(index.fields) in falling and index.condition is None for index in model._meta.indexes) or any(
        isinstance(each, models.UniqueConstraint) and each.fields == (column, "id") for each in model._meta.constraints
    )
