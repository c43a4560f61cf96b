"""One drain for all waiting signals: woken by the database, so that Celery is only the nudge that starts it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime

import psycopg
from django.utils import timezone

from accounts.turns import each_alone
from brokers.postgres.locks import Space, try_only_one
from brokers.postgres.notices import DECISIONS_CHANNEL, SIGNALS_CHANNEL, STOP
from strategies.control import approval
from strategies.deciding import guards, settle
from strategies.domain.rota import Rota

# Like the lanes, the drain stays for the next signal: a cold start would be the longest part of its way.
LONGEST_SECONDS = 600.0
NUDGE_EVERY_SECONDS = 1.0
JUDGE_SECONDS = 5.0  # between two looks at who has reached a limit of the day
LOOK_SECONDS = 1.0  # pending decisions are looked at this often even when nobody tells of news


def drain(
    *,
    linger: float = LONGEST_SECONDS,
    clock: Callable[[], datetime] = timezone.now,
    nudge: Callable[[], None] = lambda: None,
) -> bool:
    """Settle waiting signals until idle for `linger` seconds. False when another worker drains already.

    `nudge` sees that somebody works the tickets; the lanes hear of them from the database when they are there.
    """
    with try_only_one(Space.DECIDE, 0) as session:
        if session is None:
            return False
        for channel in (SIGNALS_CHANNEL, DECISIONS_CHANNEL):
            session.execute(f"LISTEN {channel}")
        _settle_until_idle(session, linger, clock, nudge)
    return True


def _settle_until_idle(
    session: psycopg.Connection[object], linger: float, clock: Callable[[], datetime], nudge: Callable[[], None]
) -> None:
    started = quiet_since = time.monotonic()
    nudged = judged = expired = 0.0
    rota = Rota()
    while time.monotonic() - started < LONGEST_SECONDS:
        if time.monotonic() - expired >= LOOK_SECONDS:
            each_alone((approval.expire,), clock)
            expired = time.monotonic()
        if not judged or time.monotonic() - judged > JUDGE_SECONDS:
            # Every decision judges it as well; signals must not wait for what this look stumbles over.
            each_alone((guards.judge_days,), clock)
            judged = time.monotonic()
        settled = settle.settle_waiting(clock(), clock=clock, rota=rota)
        resting = rota.rests_until
        if settled or resting is not None or rota.has_more():
            quiet_since = time.monotonic()
            if quiet_since - nudged > NUDGE_EVERY_SECONDS:
                nudge()
                nudged = quiet_since
        if settled or (resting is None and rota.has_more()):
            if _is_stopped(session.notifies(timeout=0)):
                return
            continue
        # Who comes while another team rests is heard at once.
        patience = LOOK_SECONDS if resting is None else min(LOOK_SECONDS, max(0.0, resting - quiet_since))
        notices = list(session.notifies(timeout=patience, stop_after=1))
        if notices:
            # News that came together is looked at once, not once for each.
            notices += session.notifies(timeout=0)
        if _is_stopped(notices):
            return
        if notices:
            quiet_since = time.monotonic()
        elif resting is None and time.monotonic() - quiet_since > linger:
            return


def _is_stopped(notices: Iterable[psycopg.Notify]) -> bool:
    """Whether the worker of this process says among these that it stops; all are read."""
    return f"{STOP}{os.getppid()}" in {notice.payload for notice in notices}
