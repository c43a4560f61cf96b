"""Objects of a model from a statement written as SQL, as Django's `raw` makes them: how they are made is found out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)


class _How(NamedTuple):
    """Fields of the model in its order, by their attributes, and where each stands in a row; what Django reads of a column
    itself; and further columns."""

    fields: list[str]
    places: list[int]
    converters: list[tuple[int, Any]]
    annotated: list[tuple[int, str]]


# By the statement, and the columns it gives: a migration may add one while a process runs.
_KNOWN: dict[tuple[str, tuple[str, ...]], _How] = {}


def objects_of(model: type[M], sql: str, values: Mapping[str, Any] | Sequence[Any]) -> list[M]:
    """The objects that a statement gives, whose text is one of a few. Columns that are no field become attributes."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows = cursor.fetchall()
        if not rows:
            return []
        columns = tuple(column.name for column in cursor.description)
    if (how := _KNOWN.get((sql, columns))) is None:
        how = _KNOWN[sql, columns] = _how(model, columns)
    return [_made(model, how, list(row)) for row in rows]


def _how(model: type[models.Model], columns: tuple[str, ...]) -> _How:
    by_column: dict[str, Any] = {str(field.column): field for field in model._meta.concrete_fields}
    known = {by_column[name].attname: number for number, name in enumerate(columns) if name in by_column}
    fields = [field.attname for field in model._meta.concrete_fields if field.attname in known]
    converters = [
        (number, converter)
        for number, name in enumerate(columns)
        if name in by_column
        for converter in by_column[name].get_db_converters(connection)
    ]
    annotated = [(number, name) for number, name in enumerate(columns) if name not in by_column]
    return _How(fields, [known[field] for field in fields], converters, annotated)


def _made(model: type[M], how: _How, row: list[Any]) -> M:
    for number, convert in how.converters:
        row[number] = convert(row[number], None, connection)
    made = model.from_db(connection.alias, how.fields, [row[place] for place in how.places])
    for number, name in how.annotated:
        setattr(made, name, row[number])
    return made
