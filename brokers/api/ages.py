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

    @_MOMENT
    def get_as_of(self, row: Any) -> str | None:
        return _text(self._word(row).at)

    def get_as_of_from(self, row: Any) -> str:
        return str(self._word(row).way or "")

    @_MOMENT
    def get_silent_since(self, row: Any) -> str | None:
        return _text(self._word(row).silent_since)

    def _word(self, row: Any) -> Word:
        return self.word_of(row, timezone.now())


def _text(at: datetime | None) -> str | None:
    return None if at is None else Moment().to_representation(at)
