"""Several queries that are written once (`written`), asked in one statement: one trip, one plan, one moment of the database.

Rows come as JSON, and are then made as Django makes them. What JSON has no type for is read back as the driver reads it.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from brokers.postgres.written import Question, Written, is_too_long, plain

# What a column's text in JSON becomes, by the kind of its field; None: it is that already.
_READ: dict[str, Callable[[Any], Any] | None] = {
    "AutoField": None,
    "BigAutoField": None,
    "BigIntegerField": None,
    "BooleanField": None,
    "CharField": None,
    "DateField": date.fromisoformat,
    "DateTimeField": datetime.fromisoformat,
    "DecimalField": Decimal,
    "EmailField": None,
    "FloatField": float,
    "ForeignKey": None,
    "IntegerField": None,
    "OneToOneField": None,
    "PositiveIntegerField": None,
    "PositiveSmallIntegerField": None,
    "SlugField": None,
    "SmallIntegerField": None,
    "TextField": None,
    "URLField": None,
    "UUIDField": uuid.UUID,
    "BinaryField": lambda text: bytes.fromhex(text.removeprefix("\\x")),
    "JSONField": None,
}
# As text within the text: numbers whose digits count, and what Django reads itself.
_AS_TEXT = frozenset({"DecimalField", "JSONField"})
_MOST_ARGUMENTS = 100  # of a function of PostgreSQL's


class Asked(NamedTuple):
    """A question with its arguments."""

    question: Question[Any, Any]
    values: tuple[Any, ...]


class _Statement(NamedTuple):
    """Several queries as one, and how the columns of each are read."""

    sql: str
    read: tuple[tuple[tuple[int, Callable[[Any], Any]], ...], ...]


def asked_together(*asked: Asked) -> list[list[Any]]:
    """The rows of each question, as it gives them when it is asked by itself. None may lock its rows.

    Where one of them is written anew each time, since its lists are long, they are asked one after the other in this order.
    """
    given = [plain(each.values) for each in asked]
    if any(is_too_long(values) for values in given):
        return [each.question(*values) for each, values in zip(asked, given, strict=True)]
    written = [each.question.written(values) for each, values in zip(asked, given, strict=True)]
    parts = [(each, values) for each, values in zip(written, given, strict=True) if each is not None]
    if not parts:
        return [[] for _ in asked]
    statement = _statement(tuple(each for each, _ in parts))
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, [value for each, values in parts for value in each.filled(values)])
        answers = iter(zip(msgspec.json.decode(cursor.fetchone()[0]), statement.read, strict=True))
    return [[] if each is None else list(each.rows_of(_rows(*next(answers)))) for each in written]


def _rows(answer: list[Any] | None, read: tuple[tuple[int, Callable[[Any], Any]], ...]) -> list[tuple[Any, ...]]:
    rows = []
    # Each in groups, of as many columns as a function takes.
    for row in answer or ():
        values = row[0] if len(row) == 1 else [value for group in row for value in group]
        for column, convert in read:
            if values[column] is not None:
                values[column] = convert(values[column])
        rows.append(tuple(values))
    return rows


@functools.lru_cache(maxsize=200)
def _statement(parts: tuple[Written, ...]) -> _Statement:
    queries, read = [], []
    for part in parts:
        assert not part.queryset.query.select_for_update, "what is locked is asked by itself"
        fields = [expression.output_field for expression, *_ in part.compiler.select]
        columns = [f"c{number}" for number in range(len(fields))]
        shown = [
            f"{column}::text" if field.get_internal_type() in _AS_TEXT else column
            for column, field in zip(columns, fields, strict=True)
        ]
        groups = (", ".join(shown[at : at + _MOST_ARGUMENTS]) for at in range(0, len(shown), _MOST_ARGUMENTS))
        row = f"json_build_array({', '.join(f'json_build_array({group})' for group in groups)})"
        queries.append(f"(SELECT json_agg({row}) FROM ({part.sql}) AS q ({', '.join(columns)}))")  # noqa: S608
        converts = enumerate(_reader(field) for field in fields)
        read.append(tuple((number, convert) for number, convert in converts if convert is not None))
    return _Statement(f"SELECT json_build_array({', '.join(queries)})::text", tuple(read))


def _reader(field: Any) -> Callable[[Any], Any] | None:
    """What reads a column's values. Raises ValueError for a field whose values do not come out of JSON as they were."""
    kind = field.get_internal_type()
    if kind == "ArrayField":
        inner = _reader(field.base_field)
        return None if inner is None else lambda values: [None if each is None else inner(each) for each in values]
    if kind not in _READ:
        raise ValueError(f"A {kind} cannot be asked for together with others.")
    return _READ[kind]
