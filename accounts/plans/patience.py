"""How Postgres looks for what a list asks for: planned for the values at hand, and for so long at the most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import OperationalError, connection, transaction

PATIENCE_MS = 5_000


class TooLong(Exception):
    """A statement was given up: what was asked for is not found within PATIENCE_MS."""


@contextmanager
def limited() -> Iterator[None]:
    """Plan each statement within for its values, and give it up after PATIENCE_MS; raises TooLong. A transaction of its own, or a part of one.

    A plan for any value expects the usual one: it walks all rows, newest first, and soon has a page of them. For a ticker
    that a team hardly ever traded, such a walk reads the whole history, past the index that holds the few rows.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('plan_cache_mode', 'force_custom_plan', true)",
                [str(PATIENCE_MS)],
            )
            yield
    except OperationalError as error:
        if not isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise
        raise TooLong from error
