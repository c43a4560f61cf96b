"""One drain for all waiting signals of a shard of teams: woken by the database, so that Celery is only the nudge that
starts it."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime

import psycopg
from django.db import connection
from django.utils import timezone

from accounts.turns import each_alone
from brokers.postgres.locks import Space, agree, share, try_only_one
from brokers.postgres.notices import ASIDE, DECISIONS_CHANNEL, SIGNALS_CHANNEL, STOP, TURN, WORK, notify
from strategies.control import approval
from strategies.deciding import guards, settle
from strategies.domain.revisits import Revisits
from strategies.domain.rota import Rota

log = logging.getLogger(__name__)

# Like the lanes, the drain stays for the next signal: a cold start would be the longest part of its way.
LONGEST_SECONDS = 600.0
NUDGE_EVERY_SECONDS = 1.0
JUDGE_SECONDS = 5.0  # between two looks at who has reached a limit of the day
ASIDE_SECONDS = 0.5  # between two tries of a drain beside lanes to be the one
PLACE_SECONDS = 2.0  # so long it waits in a try until the one without lanes has left: a turn takes less
LOOK_SECONDS = 1.0  # pending decisions are looked at this often even when nobody tells of news


def drain(
    *,
    linger: float = LONGEST_SECONDS,
    clock: Callable[[], datetime] = timezone.now,
    nudge: Callable[[], None] = lambda: None,
    beside: threading.Event | None = None,
    shard: int = 0,
    shards: int = 1,
) -> bool:
    """Settle waiting signals until idle for `linger` seconds. False when another worker drains already.

    It decides for every `shards`th team. Drains that would share the teams by another number wait until these have ended:
    nobody's signals are decided at two places.

    `nudge` sees that somebody works the tickets; the lanes hear of them from the database when they are there. `beside`:
    lanes work in this process, until that is set; a drain without lanes leaves its work to one that has them.
    """
    # Signals that come all the while start drains without lanes all the while: who asks for the place waits in line for it.
    ask = None if beside is None else functools.partial(notify, DECISIONS_CHANNEL, f"{ASIDE}{shard}")
    with try_only_one(Space.DRAIN, shard, ask=ask, within=PLACE_SECONDS) as session:
        if session is None or not share(session, Space.DECIDE, 0):
            return False
        if not agree(session, Space.DRAINS, shards):
            _tell_once(shards)
            return False
        for channel in (SIGNALS_CHANNEL, DECISIONS_CHANNEL):
            session.execute(f"LISTEN {channel}")
        # It is closed before the lock is free: who drains next finds no turn under way.
        with contextlib.closing(settle.Beside(functools.partial(notify, DECISIONS_CHANNEL, TURN))) as aside:
            _settle_until_idle(session, linger, clock, nudge, beside, settle.Share(shard, shards), aside)
    return True


@functools.cache
def _tell_once(shards: int) -> None:
    log.warning(
        "Other workers run with another HALYARD_WORK_SHARDS than this one's %d: it decides nothing until they have ended.",
        shards,
    )


def drain_beside_lanes(stopped: threading.Event, shard: int = 0, shards: int = 1) -> None:
    """Be the drain of a shard while its lanes work in this process, whose threads this is one of; until `stopped`.

    Whoever drains elsewhere without lanes is asked to leave it to this one. What fails is tried again.
    """
    while not stopped.is_set():
        try:
            drain(linger=math.inf, beside=stopped, shard=shard, shards=shards)
            # Drains that share the teams by another number end first, or the worker ends, and with it the lanes.
            stopped.wait(ASIDE_SECONDS)
        except Exception:
            log.exception("The drain beside the lanes failed and begins anew")
            stopped.wait(ASIDE_SECONDS)
        finally:
            connection.close()


def _settle_until_idle(
    session: psycopg.Connection[object],
    linger: float,
    clock: Callable[[], datetime],
    nudge: Callable[[], None],
    beside: threading.Event | None,
    share: settle.Share,
    aside: settle.Beside,
) -> None:
    started = quiet_since = time.monotonic()
    nudged = judged = expired = 0.0
    rota, revisits = Rota(), Revisits()
    while not beside.is_set() if beside is not None else time.monotonic() - started < LONGEST_SECONDS:
        if share.is_first and time.monotonic() - expired >= LOOK_SECONDS:
            each_alone((approval.expire,), clock)
            expired = time.monotonic()
        if share.is_first and (not judged or time.monotonic() - judged > JUDGE_SECONDS):
            # Every decision judges it as well; signals must not wait for what this look stumbles over.
            each_alone((guards.judge_days,), clock)
            judged = time.monotonic()
        with aside.waits():
            settled = settle.settle_waiting(
                clock(), clock=clock, rota=rota, share=share, aside=aside, revisits=revisits
            )
        resting, has_more = rota.rests_until, rota.has_more(time.monotonic())
        if settled or resting is not None or has_more or rota.aside is not None:
            quiet_since = time.monotonic()
            if quiet_since - nudged > NUDGE_EVERY_SECONDS:
                nudge()
                nudged = quiet_since
        if settled or (resting is None and has_more):
            notices = told(session.notifies(timeout=0), revisits)
            if _is_stopped(notices, beside, share):
                return
            # Whoever brings more work says so: where nothing was left, and nothing said, another look would find nothing.
            if not rota.all_done or any(_free_at(notice, rota, revisits, share) < math.inf for notice in notices):
                continue
        # Who comes while another team rests is heard at once.
        patience = LOOK_SECONDS if resting is None else min(LOOK_SECONDS, max(0.0, resting - quiet_since))
        now = time.monotonic()
        again = revisits.next_at(functools.partial(rota.free_at, now=now))
        notices = news(session, rota, revisits, min(patience, max(0.0, again - now)), share)
        if _is_stopped(notices, beside, share):
            return
        if notices:
            quiet_since = time.monotonic()
        elif resting is None and time.monotonic() - quiet_since > linger:
            return


def news(
    session: psycopg.Connection[object],
    rota: Rota,
    revisits: Revisits,
    patience: float,
    share: settle.Share = settle.ALL,
) -> list[psycopg.Notify]:
    """What is told within so many seconds; news that came together is looked at once, not once for each.

    Signals of teams that cannot have a turn yet, or not here, are no reason to look: of a flood each would be. Nor is what
    happens at a connection of which no decision waits here.
    """
    until = time.monotonic() + patience
    while notices := told(session.notifies(timeout=max(0.0, until - time.monotonic()), stop_after=1), revisits):
        notices += told(session.notifies(timeout=0), revisits)
        soonest = min(_free_at(notice, rota, revisits, share) for notice in notices)
        if soonest <= time.monotonic():
            return notices
        until = min(until, soonest)
    return []


def told(notices: Iterable[psycopg.Notify], revisits: Revisits) -> list[psycopg.Notify]:
    """These notices, once it is noted for which connections waiting decisions are looked at again."""
    heard = list(notices)
    now = time.monotonic()
    for notice in heard:
        if notice.channel == DECISIONS_CHANNEL:
            if named := _connections(notice):
                revisits.told(named, now)
            elif not notice.payload:
                revisits.told(None, now)
    return heard


def _connections(notice: psycopg.Notify) -> frozenset[int]:
    """The connections that a notice to the decisions names, as `notices.keys` writes them."""
    keys = notice.payload.removeprefix(WORK).split(",")
    return frozenset(map(int, keys)) if all(key.isdecimal() for key in keys) else frozenset()


def _free_at(notice: psycopg.Notify, rota: Rota, revisits: Revisits, share: settle.Share) -> float:
    """When it is to be looked after this notice: at once, or when the team may have a turn whose signals it is about.

    Infinite: not for its sake. Where a turn that is under way leaves a decision waiting, its end is told.
    """
    now = time.monotonic()
    if notice.channel == DECISIONS_CHANNEL:
        named = _connections(notice)
        waits = notice.payload.startswith(WORK) or not named or revisits.awaited(named)
        return now if waits else math.inf
    if notice.channel != SIGNALS_CHANNEL or not notice.payload.isdecimal():
        return now
    team = int(notice.payload)
    return rota.free_at(team, now) if team % share.of == share.number else math.inf


def _is_stopped(notices: Iterable[psycopg.Notify], beside: threading.Event | None, share: settle.Share) -> bool:
    """Whether the worker of this process says among these that it stops, or a drain with lanes wants the place of one
    without; all are read."""
    said = {notice.payload for notice in notices}
    return f"{STOP}{os.getppid()}" in said or (beside is None and f"{ASIDE}{share.number}" in said)
