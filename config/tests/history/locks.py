"""What a statement of a migration locks, and why one would stop trading on a large table.

Locks as PostgreSQL documents them: https://www.postgresql.org/docs/current/explicit-locking.html and the notes of ALTER
TABLE and CREATE INDEX. A change of a catalogue row alone takes ACCESS EXCLUSIVE for an instant; what reads or writes all
rows under a lock that writers wait for is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from config.tests.history.growing import GROWING

_TABLE = re.compile(
    r"(?:ALTER TABLE|UPDATE|DELETE FROM|CREATE TABLE)\s+(?:ONLY\s+|IF (?:NOT )?EXISTS\s+)*\"?(\w+)\"?"
    r"|\bON\s+(?:ONLY\s+)?\"?(\w+)\"?",
    re.IGNORECASE,
)
# Each lock by what the statement looks like; the first that fits counts.
_LOCKS = (
    (r"^(CREATE|DROP) (UNIQUE )?INDEX CONCURRENTLY", "SHARE UPDATE EXCLUSIVE"),
    (r"VALIDATE CONSTRAINT", "SHARE UPDATE EXCLUSIVE"),
    (r"^CREATE (UNIQUE )?INDEX", "SHARE"),
    (r"^(UPDATE|DELETE|INSERT)", "ROW EXCLUSIVE"),
    (r"^ALTER TABLE .* ADD CONSTRAINT .* FOREIGN KEY", "SHARE ROW EXCLUSIVE"),
    (r"^CREATE (OR REPLACE )?(CONSTRAINT )?TRIGGER", "SHARE ROW EXCLUSIVE"),
    (r"^(ALTER|DROP) (TABLE|INDEX)", "ACCESS EXCLUSIVE"),
)
# Why a statement may not run on a table that grows, and what to write instead.
_REFUSED = (
    (
        r"^CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)",
        "builds an index while writers wait: use AddIndexOnline, with atomic = False",
    ),
    (r"^DROP INDEX (?!CONCURRENTLY)", "waits for every reader, and all wait behind it: use RemoveIndexConcurrently"),
    (
        r"ADD CONSTRAINT .*(CHECK|FOREIGN KEY)(?!.*NOT VALID)",
        "reads all rows under a lock: use AddConstraintNotValid, then ValidateConstraint in a migration of its own",
    ),
    (
        r"ADD CONSTRAINT .*(UNIQUE|PRIMARY KEY|EXCLUDE)(?!.*USING INDEX)",
        "builds an index while everybody waits: build it CONCURRENTLY, then ADD CONSTRAINT ... USING INDEX",
    ),
    (
        r"ADD COLUMN .*(UNIQUE|REFERENCES|PRIMARY KEY)",
        "builds an index or reads all rows: add the column with db_index=False and db_constraint=False first",
    ),
    (
        r"ADD COLUMN (?!.*DEFAULT).*NOT NULL",
        "fails where there are rows: allow NULL, or give it a db_default",
    ),
    (
        r"ADD COLUMN .*DEFAULT .*(random|clock_timestamp|nextval|gen_random_uuid|uuid_generate)",
        "writes every row anew, since its default differs from row to row: allow NULL and fill it in batches",
    ),
    (
        r"ALTER COLUMN .* DROP DEFAULT",
        "lets the processes of the version before fail, which know nothing of the column: use db_default",
    ),
    (r"ALTER COLUMN .* TYPE", "writes every row anew: add a column beside it and fill it in batches"),
    (r"ALTER COLUMN .* SET NOT NULL", "reads all rows under a lock: add a check NOT VALID, validate it, then this"),
    (r"^(UPDATE|DELETE)", "locks every row that it changes until it ends: do it in batches"),
)


def lock_of(statement: str) -> str:
    """The strongest lock on a table that the statement takes; "" where it takes none that a writer meets."""
    return next((lock for looks, lock in _LOCKS if re.search(looks, statement, re.IGNORECASE | re.DOTALL)), "")


def refusals(statements: Sequence[str]) -> Iterator[str]:
    """Why these statements of one migration may not run on a large database; each names its lock."""
    made: set[str] = set()
    for statement in map(_plain, statements):
        table = _table_of(statement)
        if statement.upper().startswith("CREATE TABLE"):
            made.add(table)
        if table in made or (table and table not in GROWING):
            continue
        for looks, why in _REFUSED:
            if re.search(looks, statement, re.IGNORECASE | re.DOTALL):
                yield f"{statement[:160]} ... takes {lock_of(statement)} and {why}."
                break


def _plain(statement: str) -> str:
    """The statement without comments and needless spaces."""
    return " ".join(re.sub(r"--[^\n]*", "", statement).split())


def _table_of(statement: str) -> str:
    """The table a statement is about; "" where it names none, as DROP INDEX."""
    found = _TABLE.search(statement)
    return next((name for name in found.groups() if name), "") if found else ""
