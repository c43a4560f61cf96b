"""Indexes that are built while people trade, however often the building was broken off."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, NotInTransactionMixin
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddConstraint


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
        if self.allow_migrate_model(schema_editor.connection.alias, model) and _is_built(
            schema_editor, model._meta.db_table, str(self.index.name)
        ):
            return
        super().database_forwards(app_label, schema_editor, from_state, to_state)


class AddUniqueOnline(NotInTransactionMixin, AddConstraint):
    """The same for a unique constraint with a condition, which is an index at Postgres.

    Rows that are twice keep it from being built: the migration that adds it sees to it that there are none.
    """

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        self._ensure_not_in_transaction(schema_editor)
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model) or _is_built(
            schema_editor, model._meta.db_table, str(self.constraint.name)
        ):
            return
        plain = str(self.constraint.create_sql(model, schema_editor))
        begins = "CREATE UNIQUE INDEX "
        assert plain.startswith(begins), "one without a condition is no index alone"
        schema_editor.execute(plain.replace(begins, f"{begins}CONCURRENTLY ", 1))


def _is_built(schema_editor: BaseDatabaseSchemaEditor, table: str, index: str) -> bool:
    """Whether the index is there and whole; what a build that was broken off has left is dropped."""
    if schema_editor.collect_sql:
        # `sqlmigrate` writes down what would run, and asks no database.
        return False
    is_whole = _is_whole(schema_editor, table, index)
    if is_whole is False:
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(index)}")
    return is_whole is True


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
