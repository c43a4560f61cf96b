"""The order of tests: those that wait for other processes are spread among those that do not.

One after the other they leave the processor idle, as all workers wait at once. Tests of one file wait alike, so they are
spread among each other as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")
# Who asks for one of these talks to a simulated IBKR, which answers in its own time: the one of all tests, or one whose clock
# tests move.
_WAITS_FOR = frozenset({"gateway", "clocked", "sleeping"})
_SHARED = frozenset({"module", "package"})
# Steps of this part of the whole come nowhere near a place they have been at, for as long as possible.
_GOLDEN = (5**0.5 - 1) / 2


def order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The same tests, those that wait spread among the rest."""
    return spread(items, waits, _shares)


def spread(items: Sequence[T], waits: Callable[[T], bool], shares: Callable[[T], bool]) -> list[T]:
    """The same items; those that do not wait in the order they had.

    None comes between two that share what their module has set up: it would be set up once more.
    """
    numbered = enumerate(item for item in items if waits(item))
    waiting = [item for _, item in sorted(numbered, key=lambda each: each[0] * _GOLDEN % 1)]
    rest = [item for item in items if not waits(item)]
    ordered: list[T] = []
    taken = 0
    for number, item in enumerate(rest):
        if number and not (shares(item) and shares(rest[number - 1])):
            due = len(waiting) * number // len(rest)
            ordered += waiting[taken:due]
            taken = max(taken, due)
        ordered.append(item)
    return [*ordered, *waiting[taken:]]


def waits(item: pytest.Item) -> bool:
    """Whether a test waits for other processes or threads, and shares nothing with its neighbours."""
    waits_for_others = not _WAITS_FOR.isdisjoint(_fixtures(item)) or _has_transactions(item)
    return waits_for_others and not _shares(item) and item.get_closest_marker("xdist_group") is None


def _has_transactions(item: pytest.Item) -> bool:
    """Whether what it does is seen by other sessions of Postgres while it runs: it has threads or processes that look."""
    mark = item.get_closest_marker("django_db")
    return mark is not None and bool(mark.kwargs.get("transaction"))


def _fixtures(item: pytest.Item) -> Iterable[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else ()


def _shares(item: pytest.Item) -> bool:
    """Whether it uses what its module or its folder has set up."""
    if not isinstance(item, pytest.Function):
        return False
    known = item._fixtureinfo.name2fixturedefs
    return any(made.scope in _SHARED for name in item.fixturenames for made in known.get(name, ())[-1:])
