"""As of when IBKR has confirmed a row, in the REST API: the same fields, by the same function, wherever they stand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.fields import Moment
from brokers.domain.session.ages import Word

_MOMENT = extend_schema_field(serializers.DateTimeField(allow_null=True))


class LastWord(serializers.Serializer[Any]):
    """`as_of`, `as_of_from` and `silent_since` of a row; load it with `account__connection`."""

    as_of = serializers.SerializerMethodField(help_text="When IBKR last confirmed it; null where it has not.")
    as_of_from = serializers.SerializerMethodField(
        help_text="By which way: its live `stream`, a `read`, its `answer` to a request, or its `report` of a change; else empty."
    )
    silent_since = serializers.SerializerMethodField(
        help_text="When the live stream gave its last sign of life, where nothing proves that the row still holds; else null."
    )

    def word_of(self, row: Any, now: datetime) -> Word:
        """IBKR's last word on the row."""
        raise NotImplementedError

    def to_representation(self, row: Any) -> Any:
        # Once a row: its three fields are of one moment.
        self._word = self.word_of(row, timezone.now())
        return super().to_representation(row)

    @_MOMENT
    def get_as_of(self, row: Any) -> str | None:
        return _text(self._word.at)

    def get_as_of_from(self, row: Any) -> str:
        return str(self._word.way or "")

    @_MOMENT
    def get_silent_since(self, row: Any) -> str | None:
        return _text(self._word.silent_since)


def _text(at: datetime | None) -> str | None:
    return None if at is None else Moment().to_representation(at)
