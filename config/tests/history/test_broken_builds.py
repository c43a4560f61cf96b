"""A concurrent build of an index that was broken off is begun again by the migration, and every migration can do so."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import OperationalError, connection, models
from django.db.migrations import Migration, RunSQL, SeparateDatabaseAndState
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from accounts.online.indexes import AddIndexOnline, AddUniqueOnline
from brokers.postgres.locks import direct_parameters

APPS = ("accounts", "brokers", "strategies")
NAME = "orders_by_test"
INDEX = models.Index(fields=["reference"], name=NAME)


@pytest.fixture
def state() -> Iterator[ProjectState]:
    yield MigrationLoader(connection).project_state()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {NAME}")


def build(state: ProjectState, operation: Operation) -> None:
    after = state.clone()
    operation.state_forwards("brokers", after)
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("brokers", editor, state, after)


def found() -> tuple[int, bool] | None:
    """The index's key at Postgres, and whether a query may use it; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexrelid, indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [NAME])
        row = cursor.fetchone()
    return (int(row[0]), bool(row[1])) if row else None


UNIQUE = models.UniqueConstraint(fields=["reference"], condition=models.Q(status="created"), name=NAME)
BUILDS = [AddIndexOnline("order", INDEX), AddUniqueOnline("order", UNIQUE)]


def break_off(state: ProjectState, operation: Operation) -> None:
    """A writer whose transaction is open keeps the build waiting until it gives up."""
    with psycopg.connect(**direct_parameters()) as writer, writer.transaction(), connection.cursor() as cursor:
        writer.execute("LOCK TABLE brokers_order IN ROW EXCLUSIVE MODE")
        cursor.execute("SET lock_timeout = '20ms'")
        try:
            with pytest.raises(OperationalError):
                build(state, operation)
        finally:
            cursor.execute("RESET lock_timeout")


@pytest.mark.parametrize("operation", BUILDS)
@pytest.mark.django_db(transaction=True)
def test_an_index_whose_build_was_broken_off_is_built_anew(state: ProjectState, operation: Operation) -> None:
    break_off(state, operation)
    left = found()
    assert left is not None
    assert not left[1], "the build was not broken off"

    build(state, operation)

    whole = found()
    assert whole is not None
    assert whole[1]
    assert whole[0] != left[0]


@pytest.mark.parametrize("operation", BUILDS)
@pytest.mark.django_db(transaction=True)
def test_an_index_that_was_built_before_its_migration_failed_stays(state: ProjectState, operation: Operation) -> None:
    build(state, operation)
    before = found()

    build(state, operation)

    assert before is not None
    assert before[1]
    assert found() == before


def unrepeatable(migration: Migration) -> Iterator[str]:
    """Why a migration that was broken off would say that its index exists."""
    for operation in migration.operations:
        parts = operation.database_operations if isinstance(operation, SeparateDatabaseAndState) else [operation]
        for part in parts:
            if isinstance(part, AddIndexConcurrently) and not isinstance(part, AddIndexOnline):
                yield f"{part.describe()}: use accounts.online.indexes.AddIndexOnline."
            if isinstance(part, RunSQL) and "INDEX CONCURRENTLY" in _words(part.sql).replace("DROP INDEX", ""):
                yield f"{_words(part.sql)[:80]}: use accounts.online.indexes.AddIndexOnline."


def _words(sql: object) -> str:
    return " ".join(str(sql).upper().split())


@pytest.mark.django_db
def test_every_migration_can_begin_its_indexes_again() -> None:
    migrations = MigrationLoader(connection).graph.nodes
    wrong = [
        f"{app} {name}: {why}"
        for (app, name), migration in sorted(migrations.items())
        if app in APPS
        for why in unrepeatable(migration)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "operation",
    [
        AddIndexConcurrently("order", INDEX),
        RunSQL("CREATE UNIQUE INDEX  CONCURRENTLY x ON brokers_order (team_id)"),
        SeparateDatabaseAndState([RunSQL("create index concurrently x ON brokers_order (team_id)")]),
    ],
)
def test_a_migration_that_could_not_is_refused(operation: Operation) -> None:
    class Written(Migration):
        operations = [operation]

    [why] = unrepeatable(Written("0001", "brokers"))
    assert "AddIndexOnline" in why
