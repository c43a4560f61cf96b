"""How long Postgres may look for what a list asks for."""

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
    """Give up each statement within after PATIENCE_MS; raises TooLong. A transaction of its own, or a part of one."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {PATIENCE_MS}")
            yield
    except OperationalError as error:
        if not isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise
        raise TooLong from error
