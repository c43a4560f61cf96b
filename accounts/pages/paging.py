"""Pages of long lists: newest first, the next page named by the public code of the last row."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import models

Thing = TypeVar("Thing", bound=models.Model)
SIZE = 50


@dataclass(frozen=True, slots=True)
class Page(Generic[Thing]):
    """`older` is the code to ask for the next page with, empty on the last one."""

    items: list[Thing]
    older: str
    first: bool


def page_of(rows: models.QuerySet[Thing], before: str, *, code: str = "code", size: int = SIZE) -> Page[Thing]:
    """The page of `rows` that follows the row with the code `before`; a code nobody knows gives the first page."""
    anchor = _anchor(rows.model, before, code)
    if anchor is not None:
        rows = rows.filter(pk__lt=anchor)
    items = list(rows.order_by("-pk")[: size + 1])
    older = str(getattr(items[size - 1], code)) if len(items) > size else ""
    return Page(items=items[:size], older=older, first=anchor is None)


def _anchor(model: Any, before: str, code: str) -> int | None:
    try:
        wanted = uuid.UUID(before)
    except ValueError:
        return None
    found: int | None = model._default_manager.filter(**{code: wanted}).values_list("pk", flat=True).first()
    return found
