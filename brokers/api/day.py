"""The result of today in the REST API: the same fields, by the same function, wherever a level or an account has one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from accounts.api.fields import Amount
from brokers.domain.dayresult import DayResult


class DayFigures(serializers.Serializer[Any]):
    """`day_result` is day_realized + day_unrealized - day_fees, to the cent.

    All four are null while it is not known, and `day_result_unknown` says why.
    """

    day_result = serializers.SerializerMethodField()
    day_realized = serializers.SerializerMethodField()
    day_unrealized = serializers.SerializerMethodField()
    day_fees = serializers.SerializerMethodField()
    day_result_unknown = serializers.SerializerMethodField()

    def day_of(self, row: Any) -> DayResult | None:
        """The result that the row shows; None where it has none."""
        raise NotImplementedError

    def get_day_result(self, row: Any) -> str | None:
        return _text(self.day_of(row), "profit")

    def get_day_realized(self, row: Any) -> str | None:
        return _text(self.day_of(row), "realized")

    def get_day_unrealized(self, row: Any) -> str | None:
        return _text(self.day_of(row), "unrealized")

    def get_day_fees(self, row: Any) -> str | None:
        return _text(self.day_of(row), "fees")

    def get_day_result_unknown(self, row: Any) -> str:
        day = self.day_of(row)
        return day.unknown if day else ""


def _text(day: DayResult | None, part: str) -> str | None:
    if day is None or day.profit is None:
        return None
    value: Decimal = getattr(day.in_cents, part)
    return Amount(max_digits=24, decimal_places=2).to_representation(value)
