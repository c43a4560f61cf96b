"""Recurring tasks, each begun once a period however many workers ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import connection

TICK_SECONDS = 1.0  # between two questions of one worker
# A period counts as over half a tick early, or it would be a whole tick late every other time. A row from the future
# (a clock that was put back) holds nothing up for longer than a period.
CLAIM = """
WITH asked AS (
    SELECT name, period FROM unnest(%s::text[], %s::float8[]) AS rows (name, period)
), due AS (
    SELECT asked.name, asked.period FROM asked LEFT JOIN accounts_scheduledtask AS known ON known.name = asked.name
    WHERE known.name IS NULL OR known.last_at <= %s::timestamptz - (asked.period - %s) * interval '1 second'
       OR known.last_at > %s::timestamptz + asked.period * interval '1 second'
    ORDER BY asked.name
)
INSERT INTO accounts_scheduledtask AS known (name, period_seconds, last_at)
SELECT name, period, %s::timestamptz FROM due
ON CONFLICT (name) DO UPDATE SET period_seconds = EXCLUDED.period_seconds, last_at = EXCLUDED.last_at
WHERE known.last_at <= EXCLUDED.last_at - (EXCLUDED.period_seconds - %s) * interval '1 second'
   OR known.last_at > EXCLUDED.last_at + EXCLUDED.period_seconds * interval '1 second'
RETURNING name
"""


def claim(periods: Mapping[str, float], now: datetime) -> list[str]:
    """The names that are due, each given to one of those who ask; `periods` are seconds by name.

    Of two that ask at once the row lock makes one wait, and the condition, asked again, gives it nothing.
    """
    early = TICK_SECONDS / 2
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [list(periods), [float(each) for each in periods.values()], now, early, now, now, early])
        return [name for (name,) in cursor.fetchall()]


def give_back(names: Sequence[str]) -> None:
    """Let what was claimed and could not be begun be due again at once."""
    if names:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM accounts_scheduledtask WHERE name = ANY(%s)", [list(names)])
