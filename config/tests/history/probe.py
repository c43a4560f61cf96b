"""How many rows of the large tables statements read: each is given to Postgres once more, within the caller's transaction,
as a plan with counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from config.tests.history.growing import GROWING


@dataclass(frozen=True, slots=True)
class Read:
    """A query, and the part of its plan that read the most rows of a growing table."""

    rows: int
    node: str
    sql: str

    def __str__(self) -> str:
        return f"{self.rows:,} rows by {self.node}: {self.sql[:600]}"


@dataclass
class Probe:
    """The reads of everything that was asked while it listened."""

    reads: list[Read] = field(default_factory=list)

    def beyond(self, rows: int) -> list[Read]:
        """Those that read more rows than that, each statement once."""
        worst = {read.sql: read for read in sorted(self.reads, key=lambda read: read.rows) if read.rows > rows}
        return sorted(worst.values(), key=lambda read: -read.rows)


@contextmanager
def probing() -> Iterator[Probe]:
    """Explain every query of this connection while it is open."""
    probe = Probe()

    def listen(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not many and _reads(sql):
            probe.reads.extend(_explained(sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        yield probe


def _reads(sql: str) -> bool:
    word = sql.lstrip(" \n(").split(None, 1)[0].upper()
    return word in {"SELECT", "WITH", "UPDATE", "DELETE"} and any(table in sql for table in GROWING)


def _explained(sql: str, params: Any) -> Iterator[Read]:
    with connection.cursor() as cursor:
        # Past Django's own wrapper, which would explain the explanation.
        raw = cursor.cursor
        # A plan with counts is a statement that was run: what it wrote is taken back.
        raw.execute("SAVEPOINT probed")
        raw.execute(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON) {sql}", params)
        (plan,) = raw.fetchone()
        raw.execute("ROLLBACK TO SAVEPOINT probed")
    tree = json.loads(plan) if isinstance(plan, str) else plan
    for node in _nodes(tree[0]["Plan"]):
        if node.get("Relation Name") in GROWING:
            removed = sum(node.get(name, 0) for name in ("Rows Removed by Filter", "Rows Removed by Index Recheck"))
            rows = int((node["Actual Rows"] + removed) * node["Actual Loops"])
            name = " ".join(str(node[key]) for key in ("Node Type", "Relation Name", "Index Name") if key in node)
            yield Read(rows, name, sql)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
