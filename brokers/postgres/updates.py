"""Rows that Django's update of many is written once for: a case for each row and column is written anew each time, and takes
several times as long as to run it.

Rows are updated as `bulk_update` updates them, but for the transaction around it: a statement is one by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection, models, transaction

from brokers.postgres.inserts import column_of


class _Update(NamedTuple):
    """The statement, with a place for each column's list, the keys first; and whose fields they are."""

    sql: str
    fields: tuple[Any, ...]


def updated(rows: Sequence[models.Model], names: tuple[str, ...]) -> None:
    """Write these fields of rows that are there, as the objects have them."""
    if not rows:
        return
    update = _written(type(rows[0]), names)
    for row in rows:
        row._prepare_related_fields_for_save(operation_name="bulk_update", fields=update.fields)  # type: ignore[attr-defined]
    columns = [[row.pk for row in rows], *(column_of(field, rows, adds=False) for field in update.fields)]
    with transaction.mark_for_rollback_on_error(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(update.sql, columns)


@functools.cache
def _written(model: type[models.Model], names: tuple[str, ...]) -> _Update:
    options: Any = model._meta
    fields = tuple(options.get_field(name) for name in names)
    key, quoted = options.pk, connection.ops.quote_name
    # Without its length: a cast would cut what the column refuses.
    lists = ", ".join(f"%s::{field.db_type(connection).partition('(')[0]}[]" for field in (_target(key), *fields))
    given = ", ".join(f"c{number}" for number in range(len(fields)))
    values = ", ".join(f"{quoted(field.column)} = given.c{number}" for number, field in enumerate(fields))
    table = quoted(options.db_table)
    sql = f"UPDATE {table} AS t SET {values} FROM unnest({lists}) AS given (k, {given}) WHERE t.{quoted(key.column)} = given.k"  # noqa: S608
    return _Update(sql, fields)


def _target(key: Any) -> Any:
    """The field by whose type a key is looked for: that of a key that counts is the number's."""
    return key if key.remote_field else models.BigIntegerField()
