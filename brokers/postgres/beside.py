"""New rows of several tables in one statement, with what else is written down with them: each is one trip less to wait for.

A row may name another one of the statement that has no key yet. Nothing of it is there unless all of it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, connections, models, transaction

from brokers.postgres.inserts import written_insert


class Beside:
    """Rows to be inserted together. The caller's transaction is open; `save` is called once, and nothing is saved before."""

    def __init__(self) -> None:
        # The thread's own: the name that stands for it is looked through at each of its attributes.
        self._connection = connections[connection.alias]
        self._rows: list[models.Model] = []
        self._places: dict[int, int] = {}
        self._parts: list[str] = []
        self._told: list[str] = []
        self._values: list[Any] = []
        self._told_values: list[Any] = []

    def add(self, row: models.Model) -> None:
        """Insert a new row. Other rows that it names have a key, or were added before it."""
        insert = written_insert(type(row))
        assert insert is not None, "what is computed is saved by Django"
        assert row.pk is None, "a row that brings its key is saved by Django"
        shown: list[str] = []
        for field in insert.fields:
            value = self._value(row, field)
            # What says nothing stands in the statement: above fifty values the driver takes it apart anew each time.
            if isinstance(value, _Constant):
                shown.append(value)
            else:
                shown.append("%s")
                self._values.append(value)
        self._places[id(row)] = len(self._rows)
        self._parts.append(f"r{len(self._rows)} (key) AS ({insert.sql % tuple(shown)})")
        self._rows.append(row)

    def also(self, statement: str, values: Sequence[Any]) -> None:
        """Change something else as well: an INSERT or an UPDATE, which may use `key_of`."""
        self._parts.append(f"o{len(self._parts)} AS ({statement})")
        self._values += values

    def tell(self, channel: str, payload: str = "") -> None:
        """Wake the channel's listeners when the transaction commits, as `notices.notify` does."""
        self._told.append("pg_notify(%s, %s)")
        self._told_values += [channel, payload]

    def key_of(self, row: models.Model) -> str:
        """The key that a row that was added will have, as SQL."""
        return f"(SELECT key FROM r{self._places[id(row)]})"  # noqa: S608

    def save(self) -> None:
        """Write all of it down. The rows have their keys then, and name each other by them."""
        asked = [*(self.key_of(row) for row in self._rows), *self._told]
        sql = f"WITH {', '.join(self._parts)} SELECT {', '.join(asked)}"
        with transaction.mark_for_rollback_on_error(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(sql, [*self._values, *self._told_values])
            keys = cursor.fetchone()
        for row, key in zip(self._rows, keys, strict=False):
            row.pk = key
            row._state.adding = False
            row._state.db = connection.alias
        for row in self._rows:
            row._prepare_related_fields_for_save(operation_name="saved")  # type: ignore[attr-defined]

    def _value(self, row: models.Model, field: Any) -> Any:
        """A column's value, or the SQL that stands for it."""
        value = field.pre_save(row, True)
        if value is None and field.is_relation and field.is_cached(row):
            named = field.get_cached_value(row)
            if named is not None and named.pk is None:
                return _Constant(self.key_of(named))
        if value is None or value is True or value is False:
            return _CONSTANTS[value]
        if value == "" and isinstance(value, str):
            return _CONSTANTS[""]
        value = field.get_db_prep_save(value, self._connection)
        assert not hasattr(value, "as_sql"), "what is computed is saved by Django"
        return value


class _Constant(str):
    """SQL that stands in the statement itself."""


_CONSTANTS: dict[Any, _Constant] = {
    None: _Constant("NULL"),
    True: _Constant("TRUE"),
    False: _Constant("FALSE"),
    "": _Constant("''"),
}
