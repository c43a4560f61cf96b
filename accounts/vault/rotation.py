"""Puts every stored secret under the newest key, a batch at a time. Safe to interrupt and to run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import models, transaction

from accounts.vault import keys
from accounts.vault.fields import Sealed, SealedField

BATCH = 200
# The entries of a second factor that allauth stores encrypted.
SEEDS = ("secret", "seed")


@dataclass(slots=True)
class Tally:
    """What became of the secrets of an installation."""

    renewed: int = 0
    newest: int = 0
    unreadable: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """A column that holds secrets, and how to walk over those in one value."""

    model: type[models.Model]
    column: str
    walk: Callable[[Any, Callable[[bytes], bytes]], Any]


def places() -> Iterator[Place]:
    """Every column with secrets: found among the models, so that a new one cannot be forgotten."""
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            if isinstance(column, SealedField):
                yield Place(model, column.name, _walk_sealed)
    yield Place(Authenticator, "data", _walk_seeds)


def renew(batch: int = BATCH) -> Tally:
    """Store again, under the newest key, what an older one was used for. Each batch is a transaction of its own."""
    tally = Tally()
    for place in places():
        after = 0
        while True:
            with transaction.atomic():
                rows = list(_rows(place).select_for_update().filter(pk__gt=after)[:batch])
                for row in rows:
                    _renew_row(place, row, tally)
            if not rows:
                break
            after = rows[-1].pk
    return tally


def unreadable() -> int:
    """How many rows hold a secret that none of the keys opens."""
    tally = Tally()
    for place in places():
        for row in _rows(place).iterator(chunk_size=BATCH):
            _look(place, row, tally)
    return sum(tally.unreadable.values())


def _rows(place: Place) -> models.QuerySet[Any]:
    return place.model._default_manager.order_by("pk").only("pk", place.column)


def _renew_row(place: Place, row: Any, tally: Tally) -> None:
    before = tally.renewed

    def again(token: bytes) -> bytes:
        if keys.is_newest(token):
            tally.newest += 1
            return token
        fresh = keys.seal(keys.unseal(token))
        tally.renewed += 1
        return fresh

    try:
        value = place.walk(getattr(row, place.column), again)
    except keys.VaultError:
        tally.renewed = before
        _miss(place, tally)
        return
    if tally.renewed > before:
        place.model._default_manager.filter(pk=row.pk).update(**{place.column: value})


def _look(place: Place, row: Any, tally: Tally) -> None:
    def read(token: bytes) -> bytes:
        keys.unseal(token)
        return token

    try:
        place.walk(getattr(row, place.column), read)
    except keys.VaultError:
        _miss(place, tally)


def _miss(place: Place, tally: Tally) -> None:
    name = place.model._meta.verbose_name_plural or place.model.__name__
    tally.unreadable[str(name)] = tally.unreadable.get(str(name), 0) + 1


def _walk_sealed(value: Sealed, change: Callable[[bytes], bytes]) -> Sealed:
    return Sealed(change(value.token)) if value else value


def _walk_seeds(value: dict[str, Any], change: Callable[[bytes], bytes]) -> dict[str, Any]:
    seeds = {name: value[name] for name in SEEDS if isinstance(value.get(name), str)}
    return {**value, **{name: change(text.encode()).decode() for name, text in seeds.items()}}
