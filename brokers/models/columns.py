"""Columns that several tables share: words of a kind, and amounts."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from django.db import models
from django.db.models import NOT_PROVIDED
from django.db.models.expressions import Combinable

# What a column of an amount takes; it gives a Decimal.
AmountValue = str | int | Decimal | Combinable


# Words that are written in capitals.
_INITIALS = frozenset({"cfd"})


def choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    """Choices of a domain enum, labelled by their words."""
    return [(str(member), _label(str(member))) for member in words]


def _label(word: str) -> str:
    return word.upper() if word in _INITIALS else word.replace("_", " ").capitalize()


def word(words: type[StrEnum], *, default: StrEnum | type[NOT_PROVIDED] = NOT_PROVIDED) -> models.CharField[str, str]:
    """A column that holds one word of a domain enum."""
    return models.CharField(max_length=20, choices=choices(words), default=default)


def amount(*, default: Decimal | type[NOT_PROVIDED] = NOT_PROVIDED) -> models.DecimalField[AmountValue, Decimal]:
    """A quantity or a price: eight decimals, exact."""
    return models.DecimalField(max_digits=24, decimal_places=8, default=default)


def optional_amount(
    *, blank: bool = True, default: Decimal | type[NOT_PROVIDED] = NOT_PROVIDED
) -> models.DecimalField[AmountValue | None, Decimal | None]:
    """An amount that may be unknown or not set: null."""
    return models.DecimalField(max_digits=24, decimal_places=8, null=True, blank=blank, default=default)
