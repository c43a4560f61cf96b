"""Queries that Django writes once: to write the SQL of a short query takes several times as long as to run it.

A query of the walk is the same each time, but for its values. It is built and compiled once for each shape of them (which
are None, and how many are in each list), with stand-ins for values; from then on only the values are put in. Rows come
as Django makes them. What is asked for rarely has no need of this.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connections, transaction
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators

from accounts.plans import constants

P = ParamSpec("P")
R = TypeVar("R")

# Each length of a list is a statement of its own, here and at the server. One that is longer than so many is filled up to
# one of a few lengths by its last value, which a query asks for once all the same; beyond these it is written anew each time.
EACH_LENGTH = 16
LENGTHS = (32, 64, 128)
LONGEST_LIST = LENGTHS[-1]
# What asks in more shapes than these begins anew: they are few while the machine is quiet.
MOST_SHAPES = 100

# By the type of a value, the stand-in of a number: values that nobody would write into a query.
_STAND_INS: dict[type, Callable[[int], Any]] = {
    int: lambda number: 2_000_000_011 + number,
    str: lambda number: f"\0 value {number}",
    datetime: lambda number: datetime(1, 2, 3, tzinfo=UTC) + timedelta(seconds=number),
    date: lambda number: date(1, 2, 3) + timedelta(days=number),
    Decimal: lambda number: Decimal(2_000_000_011 + number),
    uuid.UUID: lambda number: uuid.UUID(int=number),
}


class _Value(NamedTuple):
    """Where a parameter of the SQL comes from: an argument, or one of its values, as the type Django hands it over in."""

    argument: int
    element: int | None
    type: Callable[[Any], Any] | None


class _Objects(NamedTuple):
    """How rows become objects, found once: what Django's `ModelIterable` finds anew for each question."""

    model: type[Model]
    columns: slice
    names: list[str]
    related: Any
    annotated: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A query as SQL, with what is needed to make rows of the answer. Each is equal to itself alone."""

    queryset: QuerySet[Any, Any]
    compiler: Any
    converters: Any
    sql: str
    parameters: tuple[Any, ...]
    objects: _Objects | None

    def filled(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The parameters of the SQL."""
        return tuple(_filled(each, values) if isinstance(each, _Value) else each for each in self.parameters)

    def rows(self, values: tuple[Any, ...]) -> Iterator[Any]:
        query = self.queryset.query
        # The thread's own: the name that stands for it is looked through at each of its attributes.
        connection = connections[self.queryset.db]
        if query.select_for_update and connection.get_autocommit():
            raise transaction.TransactionManagementError("select_for_update cannot be used outside of a transaction.")
        filled = self.filled(values)
        compiler = self._compiler(connection)
        compiler.as_sql = lambda *_args, **_kwargs: (self.sql, filled)
        return self._made(compiler)

    def rows_of(self, columns: list[tuple[Any, ...]]) -> Iterator[Any]:
        """The rows, where the columns of each came in another way, in the types in which the driver brings them."""
        compiler = self._compiler(connections[self.queryset.db])
        compiler.execute_sql = lambda *_args, **_kwargs: [columns]
        return self._made(compiler)

    def _compiler(self, connection: Any) -> Any:
        compiler = copy.copy(self.compiler)
        compiler.connection = connection
        compiler.get_converters = lambda _expressions: self.converters
        return compiler

    def _made(self, compiler: Any) -> Iterator[Any]:
        if self.objects is not None:
            return _objects(self.objects, self.queryset.db, compiler.results_iter(compiler.execute_sql()))
        query = self.queryset.query
        asked = SimpleNamespace(
            get_compiler=lambda *_args, **_kwargs: compiler,
            selected=query.selected,
            extra_select=query.extra_select,
            values_select=query.values_select,
            annotation_select=query.annotation_select,
        )
        standing_in = SimpleNamespace(
            db=self.queryset.db, query=asked, model=self.queryset.model, _known_related_objects={}, _fields=None
        )
        iterable: Any = self.queryset._iterable_class
        return iter(iterable(standing_in))


def _objects(how: _Objects, db: str, rows: Iterator[Any]) -> Iterator[Any]:
    """Objects of rows, as `ModelIterable` makes them."""
    for row in rows:
        made = how.model.from_db(db, how.names, row[how.columns])
        for populator in how.related:
            populator.populate(row, made)
        for name, column in how.annotated:
            setattr(made, name, row[column])
        yield made


class Question(Generic[P, R]):
    """A query that is written once; called, it is asked."""

    def __init__(self, build: Callable[P, QuerySet[Any, R]]) -> None:
        functools.update_wrapper(self, build)
        self._build = build
        self._known: dict[tuple[Any, ...], Written | None] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[R]:
        assert not kwargs, "the arguments of a query that is written once are positional"
        values = plain(args)
        if is_too_long(values):
            return list(self._build(*args, **kwargs))
        written = self.written(values)
        return [] if written is None else list(written.rows(values))

    def written(self, values: tuple[Any, ...]) -> Written | None:
        """The query for values of this shape, which are `plain` and not too long; None where no values give it rows."""
        shape = tuple(_shape(each) for each in values)
        # Another thread may begin anew between a look and a reading.
        with contextlib.suppress(KeyError):
            return self._known[shape]
        if len(self._known) >= MOST_SHAPES:
            self._known.clear()
        written = self._known[shape] = _write(self._build, values)
        return written


def plain(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments with their collections as lists, of one of a few lengths where they are long."""
    return tuple(
        each if isinstance(each, str) or not isinstance(each, Collection) else _filled_up(each) for each in args
    )


def _filled_up(values: Collection[Any]) -> list[Any]:
    filled = list(values)
    if EACH_LENGTH < len(filled) <= LONGEST_LIST:
        length = next(length for length in LENGTHS if len(filled) <= length)
        filled += filled[-1:] * (length - len(filled))
    return filled


def is_too_long(values: tuple[Any, ...]) -> bool:
    """Whether the query is written anew for these."""
    return any(isinstance(each, list) and len(each) > LONGEST_LIST for each in values)


def written_once(build: Callable[P, QuerySet[Any, R]]) -> Question[P, R]:
    """The rows of the query that `build` makes of its arguments, whose SQL is written once.

    Arguments are positional: None and booleans, which make another query of it, and integers, texts, moments, days, decimals,
    UUIDs and collections of these, which have to reach the SQL as they are. Raises ValueError where one does not. A collection
    is one of values to look for: it may come to the SQL with its last value repeated.
    """
    return Question(build)


def keep_related(row: Model, name: str, rows: list[Any]) -> None:
    """The rows behind the reverse relation `name` of `row`, known from now on: what a prefetch keeps there."""
    manager: Any = getattr(row, name)
    known: Any = QuerySet(manager.model)
    known._result_cache, known._prefetch_done = rows, True
    kept: Any = row
    if not hasattr(kept, "_prefetched_objects_cache"):
        kept._prefetched_objects_cache = {}
    kept._prefetched_objects_cache[name] = known


def _shape(value: Any) -> Any:
    """What of a value makes another query of it."""
    if value is None or isinstance(value, bool):
        return value
    return (len(value), type(value[0]) if value else None) if isinstance(value, list) else type(value)


def _write(build: Callable[..., QuerySet[Any, Any]], values: tuple[Any, ...]) -> Written | None:
    """The query for values of this shape; None where an empty list leaves it without rows."""
    places: dict[Any, tuple[int, int | None]] = {}
    arguments = [_standing_in(value, argument, places) for argument, value in enumerate(values)]
    queryset = build(*arguments)
    assert not queryset._prefetch_related_lookups, "what is read beside the rows is another query"  # type: ignore[attr-defined]
    compiler = queryset.query.get_compiler(using=queryset.db)
    try:
        sql, raw = compiler.as_sql()
    except EmptyResultSet:
        if [] not in values:
            raise ValueError(f"{build.__name__} has no rows whatever its values.") from None
        return None
    parameters = [_parameter(each, places) for each in raw]
    if lost := set(places.values()) - {each[:2] for each in parameters if isinstance(each, _Value)}:
        raise ValueError(f"Values of {build.__name__} do not reach the SQL as they are: {sorted(lost, key=str)}")
    # A constant that PostgreSQL is told only with the call keeps it from one plan for all calls.
    sql, left = constants.written(sql, parameters, _is_constant)
    converters = compiler.get_converters([expression for expression, *_ in compiler.select[: compiler.col_count]])
    return Written(queryset, compiler, converters, sql, tuple(left), _how_objects_are_made(queryset, compiler))


def _how_objects_are_made(queryset: QuerySet[Any, Any], compiler: Any) -> _Objects | None:
    """None where rows become something else."""
    iterable: Any = queryset._iterable_class
    info = compiler.klass_info
    if iterable is not ModelIterable or not info or queryset._known_related_objects:  # type: ignore[attr-defined]
        return None
    start, end = info["select_fields"][0], info["select_fields"][-1] + 1
    names = [column[0].target.attname for column in compiler.select[start:end]]
    populators: Any = get_related_populators
    related = populators(info, compiler.select, queryset.db)
    return _Objects(info["model"], slice(start, end), names, related, tuple(compiler.annotation_col_map.items()))


def _is_constant(parameter: Any) -> bool:
    """Whether it stands in the statement's text: what statuses and flags are; a `_Value` is none."""
    return isinstance(parameter, str | int)


def _standing_in(value: Any, argument: int, places: dict[Any, tuple[int, int | None]]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list):
        return [_place(each, (argument, element), places) for element, each in enumerate(value)]
    return _place(value, (argument, None), places)


def _place(value: Any, place: tuple[int, int | None], places: dict[Any, tuple[int, int | None]]) -> Any:
    kind = next((kind for kind in _STAND_INS if isinstance(value, kind)), None)
    if kind is None:
        raise ValueError(f"A {type(value).__name__} cannot stand in a query that is written once.")
    stand_in = _STAND_INS[kind](len(places))
    places[stand_in] = place
    return stand_in


def _parameter(value: Any, places: dict[Any, tuple[int, int | None]]) -> Any:
    """A parameter of the SQL: a constant of the query, or the place of its value."""
    place = places.get(value) if isinstance(value, tuple(_STAND_INS)) else None
    if place is None:
        return value
    # Django hands integers over in types that tell their width.
    return _Value(*place, type(value) if type(value) not in _STAND_INS else None)


def _filled(value: _Value, values: tuple[Any, ...]) -> Any:
    given = values[value.argument] if value.element is None else values[value.argument][value.element]
    return given if value.type is None else value.type(given)
