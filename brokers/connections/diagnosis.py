"""What the log of calls and the session's story say about one connection: how fast, how often wrong, how much is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from brokers.domain.calls import MESSAGES, CallOutcome
from brokers.domain.latency import Latency, Point, Sample, by_call, by_error, curve, latency
from brokers.models import Call, Connection

WINDOW = timedelta(days=1)
PACE_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceUse:
    """Requests left of the pace: just after the last call, and at the least in the last hour, with its busiest second."""

    left: int
    as_of: datetime
    least: int
    busiest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The last day of one connection. `missing` are calls that left and are not in the log."""

    since: datetime
    whole: Latency
    kinds: Sequence[tuple[str, str, Latency]]
    errors: Sequence[tuple[CallOutcome, int]]
    points: Sequence[Point]
    pace: PaceUse | None
    missing: int


def diagnose(connection: Connection, now: datetime) -> Diagnosis:
    """The figures of the connection's last day, as far as its log goes back."""
    rows = _rows(connection, now - WINDOW)
    samples = [_sample(row) for row in rows]
    # The curve begins where the log does: a first hour is not a sliver at the edge of an empty day.
    since = max(now - WINDOW, min((row.at for row in rows), default=now) - timedelta(minutes=1))
    return Diagnosis(
        since=since,
        whole=latency(samples),
        kinds=by_call(samples),
        errors=by_error(samples),
        points=curve(samples, since, now + timedelta(seconds=1)),
        pace=_pace(rows, now),
        missing=sum(row.missing for row in rows),
    )


def _rows(connection: Connection, since: datetime) -> list[Call]:
    """The calls since then, the newest first."""
    columns = ("at", "method", "endpoint", "outcome", "status", "took_ms", "own_ms", "pace_left", "missing")
    requests = Call.objects.filter(connection=connection).exclude(method__in=MESSAGES)
    newest = requests.order_by("-pk").only(*columns)
    return [row for row in newest[: settings.KEEP_CALLS] if row.at >= since]


def _sample(row: Call) -> Sample:
    return Sample(
        at=row.at,
        method=row.method,
        endpoint=row.endpoint,
        outcome=CallOutcome(row.outcome),
        took_ms=row.took_ms,
        own_ms=row.own_ms,
        answered=row.status is not None,
    )


def _pace(rows: Sequence[Call], now: datetime) -> PaceUse | None:
    """None where no call of the last hour was made at a pace."""
    paced = [(row.at, row.pace_left) for row in rows if row.pace_left is not None and row.at >= now - PACE_WINDOW]
    if not paced:
        return None
    seconds = Counter(at.replace(microsecond=0) for at, _ in paced)
    as_of, left = paced[0]
    return PaceUse(left=left, as_of=as_of, least=min(left for _, left in paced), busiest=max(seconds.values()))
