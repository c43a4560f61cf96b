"""Rows that Django's insert is written once for: to write it takes several times as long as to run it.

One row of a walk is saved as `bulk_create` saves it, but for the transaction around it: a statement is one by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from django.db import connection, models, transaction
from django.db.models.constants import OnConflict
from django.db.models.sql import InsertQuery

M = TypeVar("M", bound=models.Model)


class _Insert(NamedTuple):
    """A model's insert of one row: the statement with a place for each value, whose fields they are, and its key's name."""

    sql: str
    fields: tuple[Any, ...]
    key: str


def inserted(rows: Iterable[M], *, ignore_conflicts: bool = False) -> list[M]:
    """Save new rows, which have their keys then; with `ignore_conflicts` those that are there already are left out.

    Of such, one by itself has its key where it was saved, and several have none. More than one at a time, and rows that bring
    their own key, are saved by Django.
    """
    saved = list(rows)
    if not saved:
        return saved
    row, model = saved[0], type(saved[0])
    if len(saved) > 1 or row.pk is not None or (insert := _written(model, ignore_conflicts)) is None:
        return list(model._default_manager.bulk_create(saved, ignore_conflicts=ignore_conflicts))
    row._prepare_related_fields_for_save(operation_name="inserted")  # type: ignore[attr-defined]
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for field in insert.fields]
    if any(hasattr(value, "as_sql") for value in values):
        return list(model._default_manager.bulk_create(saved, ignore_conflicts=ignore_conflicts))
    # What is nothing is written as that: above fifty values the driver takes a statement apart anew each time.
    sql = insert.sql % tuple("NULL" if value is None else "%s" for value in values)
    with transaction.mark_for_rollback_on_error(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(sql, [value for value in values if value is not None])
        if (key := cursor.fetchone()) is not None:
            setattr(row, insert.key, key[0])
            row._state.adding = False
            row._state.db = connection.alias
    return saved


def written_insert(model: type[models.Model]) -> _Insert | None:
    """The insert of one row, which gives its key; None where Django has to write it for each."""
    return _written(model, False)


@functools.cache
def _written(model: type[models.Model], ignore_conflicts: bool) -> _Insert | None:
    """Django's insert of one row; None where the statement computes a value."""
    options: Any = model._meta
    key = options.pk
    fields = [field for field in options.concrete_fields if field is not key]
    computed = any(field.generated for field in options.concrete_fields)
    if computed or any(hasattr(field, "get_placeholder") for field in fields):
        return None
    query = InsertQuery(model, on_conflict=OnConflict.IGNORE if ignore_conflicts else None)
    query.insert_values(fields, [model()])
    compiler: Any = query.get_compiler(using=connection.alias)
    compiler.returning_fields = [key]
    ((sql, values),) = compiler.as_sql()
    return _Insert(sql, tuple(fields), key.attname) if len(values) == len(fields) == sql.count("%s") else None
