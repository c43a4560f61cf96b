"""One drain for all waiting signals: woken by the database, so that Celery is only the nudge that starts it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime

import psycopg
from django.utils import timezone

from brokers.locks import Space, try_only_one
from brokers.snapshots import DECISIONS_CHANNEL, STOP
from strategies import decisions

SIGNALS_CHANNEL = "halyard_signals"
LINGER_SECONDS = 20.0
LONGEST_SECONDS = 600.0
LOOK_SECONDS = 1.0  # pending decisions are looked at this often even when nobody tells of news


def drain(*, linger: float = LINGER_SECONDS, clock: Callable[[], datetime] = timezone.now) -> bool:
    """Settle waiting signals until idle for `linger` seconds. False when another worker drains already."""
    with try_only_one(Space.DECIDE, 0) as session:
        if session is None:
            return False
        for channel in (SIGNALS_CHANNEL, DECISIONS_CHANNEL):
            session.execute(f"LISTEN {channel}")
        _settle_until_idle(session, linger, clock)
    return True


def _settle_until_idle(session: psycopg.Connection[object], linger: float, clock: Callable[[], datetime]) -> None:
    stop_word = f"{STOP}{os.getppid()}"
    started = quiet_since = time.monotonic()
    while time.monotonic() - started < LONGEST_SECONDS:
        if decisions.settle_waiting(clock()):
            quiet_since = time.monotonic()
            continue
        notices = list(session.notifies(timeout=LOOK_SECONDS, stop_after=1))
        if any(notice.payload == stop_word for notice in notices):
            return
        if notices:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > linger:
            return
