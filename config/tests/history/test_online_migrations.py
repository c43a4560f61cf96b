"""Every new migration can run while people trade, on a database of any size."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from config.tests.history.locks import lock_of, refusals

# The last migrations of before this rule; an installation of them was small.
BEFORE = {"accounts": 11, "brokers": 52, "strategies": 10}
TEN_COLUMNS = 'ALTER TABLE "brokers_order"'

CASES = [
    ('CREATE INDEX "x" ON "brokers_order" ("team_id")', "SHARE", "AddIndexOnline"),
    ('CREATE UNIQUE INDEX "x" ON "brokers_order" ("team_id")', "SHARE", "AddIndexOnline"),
    ('DROP INDEX IF EXISTS "x"', "ACCESS EXCLUSIVE", "RemoveIndexConcurrently"),
    (f"{TEN_COLUMNS} ADD CONSTRAINT x CHECK (quantity > 0)", "ACCESS EXCLUSIVE", "AddConstraintNotValid"),
    (
        f"{TEN_COLUMNS} ADD CONSTRAINT x FOREIGN KEY (a) REFERENCES b (id)",
        "SHARE ROW EXCLUSIVE",
        "AddConstraintNotValid",
    ),
    (f"{TEN_COLUMNS} ADD CONSTRAINT x UNIQUE (a)", "ACCESS EXCLUSIVE", "USING INDEX"),
    (f'{TEN_COLUMNS} ADD COLUMN "a" bigint NULL UNIQUE', "ACCESS EXCLUSIVE", "db_index=False"),
    (f'{TEN_COLUMNS} ADD COLUMN "a" bigint NULL REFERENCES b (id)', "ACCESS EXCLUSIVE", "db_constraint=False"),
    (f'{TEN_COLUMNS} ADD COLUMN "a" bigint NOT NULL', "ACCESS EXCLUSIVE", "db_default"),
    (f'{TEN_COLUMNS} ADD COLUMN "a" uuid DEFAULT gen_random_uuid() NOT NULL', "ACCESS EXCLUSIVE", "in batches"),
    (f'{TEN_COLUMNS} ALTER COLUMN "a" DROP DEFAULT', "ACCESS EXCLUSIVE", "db_default"),
    (f'{TEN_COLUMNS} ALTER COLUMN "a" TYPE bigint', "ACCESS EXCLUSIVE", "beside it"),
    (f'{TEN_COLUMNS} ALTER COLUMN "a" SET NOT NULL', "ACCESS EXCLUSIVE", "NOT VALID"),
    ("UPDATE brokers_order SET a = 1", "ROW EXCLUSIVE", "in batches"),
]
ONLINE = [
    ('CREATE INDEX CONCURRENTLY "x" ON "brokers_order" ("team_id")', "SHARE UPDATE EXCLUSIVE"),
    ("DROP INDEX CONCURRENTLY IF EXISTS x", "SHARE UPDATE EXCLUSIVE"),
    (f'{TEN_COLUMNS} ADD COLUMN "a" bigint NULL', "ACCESS EXCLUSIVE"),
    (f'{TEN_COLUMNS} ADD COLUMN "a" boolean DEFAULT false NOT NULL', "ACCESS EXCLUSIVE"),
    (f"{TEN_COLUMNS} ADD CONSTRAINT x CHECK (quantity > 0) NOT VALID", "ACCESS EXCLUSIVE"),
    (f"{TEN_COLUMNS} VALIDATE CONSTRAINT x", "SHARE UPDATE EXCLUSIVE"),
    ('CREATE INDEX "x" ON "accounts_team" ("name")', "SHARE"),
]


@pytest.mark.django_db(transaction=True)
def test_no_new_migration_makes_anybody_wait_on_a_large_table() -> None:
    loader = MigrationLoader(connection)
    wrong = []
    for app, name in sorted(loader.graph.nodes):
        if app in BEFORE and int(name[:4]) > BEFORE[app]:
            migration = loader.graph.nodes[app, name]
            # What no statement can be shown for, as RunPython, is left out: it says so in a comment.
            statements = loader.collect_sql([(migration, False)])
            wrong += [f"{app} {name}: {refusal}" for refusal in refusals(statements)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("statement", "lock", "instead"), CASES)
def test_what_locks_a_large_table_is_refused_with_its_lock_and_what_to_write_instead(
    statement: str, lock: str, instead: str
) -> None:
    assert lock_of(statement) == lock
    [refusal] = refusals([statement])
    assert f"takes {lock} and " in refusal
    assert instead in refusal


@pytest.mark.parametrize(("statement", "lock"), ONLINE)
def test_what_runs_beside_trading_is_let_through(statement: str, lock: str) -> None:
    assert lock_of(statement) == lock
    assert not list(refusals([statement]))


def test_a_table_that_the_migration_makes_itself_is_empty() -> None:
    made = ['CREATE TABLE "brokers_order" ("id" bigint)', 'CREATE INDEX "x" ON "brokers_order" ("team_id")']
    assert not list(refusals(made))
