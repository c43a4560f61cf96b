"""How values and rows look in the JSON of the REST API."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

from django.db import models
from rest_framework import serializers


class Amount(serializers.DecimalField):
    """A decimal as text, without exponent or trailing zeros: JSON numbers would lose digits on the way."""

    def to_representation(self, value: Any) -> str:
        text = f"{Decimal(value):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


class Moment(serializers.DateTimeField):
    """A moment in UTC, wherever the viewer is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)


class Shown(serializers.ModelSerializer[Any]):
    """One of our rows as JSON, read only; `id` is its public code."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DecimalField: Amount,
        models.DateTimeField: Moment,
    }

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for field in fields.values():
            field.read_only = True
        return fields


def code(source: str = "code", **kwargs: Any) -> serializers.UUIDField:
    """A public id: the row's own, or that of a row it points to."""
    return serializers.UUIDField(source=source, read_only=True, **kwargs)
