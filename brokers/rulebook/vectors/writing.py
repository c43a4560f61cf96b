"""The rulebook's own values as plain dictionaries: numbers as strings, instants in UTC."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from brokers.rulebook.answers import Denied, Verdict

Answer = dict[str, Any]


def plain(value: Decimal) -> str:
    """A number without exponent and without trailing zeros."""
    if value == 0:
        return "0"
    return f"{value.normalize():f}"


def stamp(at: datetime) -> str:
    utc = at.astimezone(UTC)
    fraction = f".{utc.microsecond // 1000:03}" if utc.microsecond else ""
    return f"{utc:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def from_verdict(verdict: Verdict) -> Answer:
    if isinstance(verdict, Denied):
        return {"allowed": False, "reason": verdict.reason, "sentence": verdict.sentence, **words(verdict.data)}
    return {"allowed": True, "cautions": [caution.code for caution in verdict.cautions]}


def from_denial(denied: Denied | None) -> Answer:
    if denied is None:
        return {"allowed": True}
    return from_verdict(denied)


def words(data: Any) -> Answer:
    return {key: plain(value) if isinstance(value, Decimal) else str(value) for key, value in data.items()}


def numbers(row: dict[str, Decimal]) -> dict[str, str]:
    return {key: plain(value) for key, value in row.items()}
