"""Pages of long lists: newest first, the next page named by the public code, or the number, of the last row."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)
SIZE = 50


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """`older` is the code or number that asks for the next page, empty on the last one."""

    rows: list[Row]
    older: str
    first: bool


def page_of(rows: models.QuerySet[Row], before: str, *, code: str = "code", size: int = SIZE) -> Page[Row]:
    """The page of `rows`, newest first, that follows the row with the code `before`; an unknown code gives the first page."""
    anchor = anchor_of(rows.model, before, code)
    if anchor is not None:
        rows = rows.filter(pk__lt=anchor)
    return _page(rows, code, size, first=anchor is None)


def page_by_number(rows: models.QuerySet[Row], before: str, *, size: int = SIZE) -> Page[Row]:
    """The page of `rows`, which have a `number` each, below the number `before`; no number gives the first page."""
    if before.isascii() and before.isdecimal() and len(before) < 19:
        rows = rows.filter(number__lt=int(before))
    return _page(rows.order_by("-number"), "number", size, first=not before)


def _page(rows: models.QuerySet[Row], name: str, size: int, *, first: bool) -> Page[Row]:
    """The first of `rows`; `name` is the field whose value asks for the next page."""
    page = list(rows[: size + 1])
    older = str(getattr(page[size - 1], name)) if len(page) > size else ""
    return Page(rows=page[:size], older=older, first=first)


def anchor_of(model: Any, before: str, code: str) -> int | None:
    """The key of the row with the code `before`; None where there is none."""
    try:
        anchor = uuid.UUID(before)
    except ValueError:
        return None
    pk: int | None = model._default_manager.filter(**{code: anchor}).values_list("pk", flat=True).first()
    return pk
