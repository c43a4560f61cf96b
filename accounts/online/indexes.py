"""Indexes that are built while people trade, however often the building was broken off."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class AddIndexOnline(AddIndexConcurrently):
    """CREATE INDEX CONCURRENTLY that can be begun again; the lock is SHARE UPDATE EXCLUSIVE: nobody who trades waits.

    A build that is broken off (a deadlock, a full disk, a stopped `migrate`) leaves an index that Postgres keeps up and
    never reads, and its name is taken: it is dropped first. An index that was built whole stays: a migration without a
    transaction that failed behind it begins anew with its first operation. The migration says `atomic = False`.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        self._ensure_not_in_transaction(schema_editor)
        model = to_state.apps.get_model(app_label, self.model_name)
        # `sqlmigrate` writes down what would run, and asks no database.
        if not schema_editor.collect_sql and self.allow_migrate_model(schema_editor.connection.alias, model):
            is_whole = _is_whole(schema_editor, model._meta.db_table, str(self.index.name))
            if is_whole:
                return
            if is_whole is not None:
                schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
        super().database_forwards(app_label, schema_editor, from_state, to_state)


def _is_whole(schema_editor: BaseDatabaseSchemaEditor, table: str, index: str) -> bool | None:
    """Whether the table's index of this name was built to its end; None where there is none."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.indisvalid AND i.indisready FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE i.indrelid = to_regclass(%s) AND c.relname = %s",
            [schema_editor.quote_name(table), index],
        )
        row = cursor.fetchone()
    return bool(row[0]) if row else None
