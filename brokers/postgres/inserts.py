"""Rows that Django's insert is written once for: to write it takes several times as long as to run it.

Rows of a walk are saved as `bulk_create` saves them, but for the transaction around it: a statement is one by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from django.db import connection, models, transaction
from django.db.models.constants import OnConflict
from django.db.models.sql import InsertQuery

M = TypeVar("M", bound=models.Model)


class _Insert(NamedTuple):
    """A model's insert: the statement with a place for each value or column, whose fields they are, and its key's name."""

    sql: str
    fields: tuple[Any, ...]
    key: str


def inserted(rows: Iterable[M], *, ignore_conflicts: bool = False) -> list[M]:
    """Save new rows, which have their keys then; with `ignore_conflicts` those that are there already are left out.

    Of such, one by itself has its key where it was saved, and several have none: these are saved by Django, as are rows that
    bring their own key.
    """
    saved = list(rows)
    if not saved:
        return saved
    row, model = saved[0], type(saved[0])
    if len(saved) > 1 and not ignore_conflicts and _inserted_together(saved, model):
        return saved
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


def _inserted_together(rows: Sequence[models.Model], model: type[models.Model]) -> bool:
    """Save several rows in one statement, a list for each column; False, and nothing is saved, where Django has to."""
    insert = _written_together(model)
    if insert is None or any(row.pk is not None for row in rows):
        return False
    for row in rows:
        row._prepare_related_fields_for_save(operation_name="inserted")  # type: ignore[attr-defined]
    columns = [column_of(field, rows) for field in insert.fields]
    if any(hasattr(value, "as_sql") for column in columns for value in column):
        return False
    with transaction.mark_for_rollback_on_error(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(insert.sql, columns)
        keys = cursor.fetchall()
    for row, (key,) in zip(rows, keys, strict=True):
        setattr(row, insert.key, key)
        row._state.adding = False
        row._state.db = connection.alias
    return True


# Types whose values Django hands over as they are, by the kind of the column; `None` it hands over in every column.
_AS_THEY_ARE: dict[str, type] = {
    "BooleanField": bool,
    "CharField": str,
    "TextField": str,
    "ForeignKey": int,
    "OneToOneField": int,
}


def column_of(field: Any, rows: Sequence[models.Model], *, adds: bool = True) -> list[Any]:
    """The values of a field as the driver takes them: most are what they are, and ten calls of Django's each to say so.

    `adds`: the rows are new.
    """
    as_it_is = _AS_THEY_ARE.get(field.get_internal_type())
    values = (field.pre_save(row, adds) for row in rows)
    return [
        value
        if value is None or (as_it_is is not None and type(value) is as_it_is)
        else field.get_db_prep_save(value, connection)
        for value in values
    ]


def written_insert(model: type[models.Model]) -> _Insert | None:
    """The insert of one row, which gives its key; None where Django has to write it for each."""
    return _written(model, False)


@functools.cache
def _written_together(model: type[models.Model]) -> _Insert | None:
    """Django's insert of several rows, with a place for each column's list; None where it writes one for each number."""
    insert = _written(model, False)
    if insert is None:
        return None
    query = InsertQuery(model)
    query.insert_values(list(insert.fields), [model(), model()])
    compiler: Any = query.get_compiler(using=connection.alias)
    compiler.returning_fields = [model._meta.pk]
    ((sql, values),) = compiler.as_sql()
    return insert._replace(sql=sql) if len(values) == len(insert.fields) == sql.count("%s") else None


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
