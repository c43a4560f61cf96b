"""Filters of the REST API's lists: a filter turns a parameter's name and text into a condition."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models
from django.utils.dateparse import parse_datetime

from accounts.api.refusals import Refused
from accounts.newest import OUT_OF_ORDER, first_key

Filter = Callable[[str, str], models.Q]


def equals(path: str) -> Filter:
    """The column holds this text."""
    return lambda name, text: models.Q(**{path: text})


def ticker(path: str) -> Filter:
    """The column holds this ticker, in any letter case."""
    return lambda name, text: models.Q(**{path: text.upper()})


def one_of(path: str, words: Any) -> Filter:
    """The column holds this word, or one of these separated by commas."""
    known = [str(word) for word in words]

    def read(name: str, text: str) -> models.Q:
        requested = [word.strip() for word in text.split(",")]
        if unknown := [word for word in requested if word not in known]:
            raise Refused(
                f"{unknown[0]!r} is not a {name}. Use one or more of: {', '.join(known)}.", f"invalid-{name}", name
            )
        return models.Q(**{f"{path}__in": requested})

    return read


def public_id(path: str) -> Filter:
    """The row, or one it points to, has this id."""

    def read(name: str, text: str) -> models.Q:
        try:
            return models.Q(**{path: uuid.UUID(text)})
        except ValueError:
            raise Refused(f"{name} is {text[:80]!r}. Use the id of one, a UUID.", f"invalid-{name}", name) from None

    return read


def contains(path: str, *, most: int) -> Filter:
    """The column holds this text somewhere, in any letter case."""

    def read(name: str, text: str) -> models.Q:
        if len(text) > most:
            raise Refused(f"{name} is longer than {most} characters, and none is. Send less.", f"invalid-{name}", name)
        return models.Q(**{f"{path}__icontains": text})

    return read


def starts(path: str, words: Iterable[str]) -> Filter:
    """The column begins with this word and a full stop."""
    known = [word.rstrip(".") for word in words]

    def read(name: str, text: str) -> models.Q:
        if text not in known:
            raise Refused(f"{text[:80]!r} is not a {name}. Use one of: {', '.join(known)}.", f"invalid-{name}", name)
        return models.Q(**{f"{path}__startswith": f"{text}."})

    return read


@dataclass(frozen=True, slots=True)
class Since:
    """The moment in the column is this one or a later one.

    `rising`: a column that rises with the keys of the rows and is never before that moment, so that the keys are known
    from which on rows can be meant. A list that grows for years needs it.
    """

    path: str
    rising: str = ""

    def __call__(self, name: str, text: str) -> models.Q:
        return models.Q(**{f"{self.path}__gte": moment(name, text)})

    def first_key(self, rows: models.QuerySet[Any], team: Any, name: str, text: str) -> int:
        """The key from which on rows can be meant."""
        return first_key(rows.model, team, self.rising, moment(name, text) - OUT_OF_ORDER)


def since(path: str, *, rising: str = "") -> Since:
    """The moment in the column is this one or a later one. `rising`: see `Since`."""
    return Since(path, rising)


def until(path: str) -> Filter:
    """The moment in the column is before this one."""
    return lambda name, text: models.Q(**{f"{path}__lt": moment(name, text)})


def moment(name: str, text: str) -> datetime:
    """The moment that a parameter tells; raises Refused."""
    try:
        # A plus sign that was not escaped arrives as a space.
        found = parse_datetime(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        sentence = f"{name} is {text[:80]!r}. Use a moment with its zone, like 2026-11-20T15:00:00Z."
        raise Refused(sentence, f"invalid-{name}", name)
    return found
