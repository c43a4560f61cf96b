"""Pushes to open pages what only the door has seen: refused deliveries, repeats, signals set aside or delayed.

Deciding pushes the rows of the signals it hands out; nothing else would push these. A thread of its own looks them
up, off the path of the deliveries, at most twice a second, and of a flood only the last few: a page shows no more.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from uuid import UUID

from django.db import close_old_connections

from strategies import live
from strategies.models import Refusal, Signal

log = logging.getLogger(__name__)

SECONDS_BETWEEN = 0.5
# As many as a page of the log has rows.
MOST_AT_ONCE = 50


class Announcer:
    """Takes codes from the event loop without ever waiting, and pushes their rows."""

    def __init__(self) -> None:
        self._refusals: deque[UUID] = deque(maxlen=MOST_AT_ONCE)
        self._signals: deque[UUID] = deque(maxlen=MOST_AT_ONCE)
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
        self._thread.start()

    def announce(self, refusals: Iterable[UUID], signals: Iterable[UUID]) -> None:
        """Push these stored rows soon: refusals by log code, signals by code. Returns at once."""
        self._refusals.extend(refusals)
        self._signals.extend(signals)
        if self._refusals or self._signals:
            self._wake.set()

    def close(self) -> None:
        """Push what is still waiting, and wait for it at most a second."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            self._push_or_log()
            if self._closing.wait(SECONDS_BETWEEN):
                self._push_or_log()
                return

    def _push_or_log(self) -> None:
        refusals, signals = _drained(self._refusals), _drained(self._signals)
        if not (refusals or signals):
            return
        try:
            _push(refusals, signals)
        except Exception as error:
            # A missed push costs freshness, never truth; nobody starts this thread again, so nothing may end it.
            log.warning("pages were not told of %d deliveries: %s", len(refusals) + len(signals), error)


def _push(refusals: list[UUID], signals: list[UUID]) -> None:
    try:
        for pk, team in Refusal.objects.filter(log_code__in=refusals).order_by("pk").values_list("pk", "team_id"):
            live.refused(pk, team)
        for pk, team in Signal.objects.filter(code__in=signals).order_by("pk").values_list("pk", "team_id"):
            live.signal_changed(pk, team)
    finally:
        close_old_connections()


def _drained(codes: deque[UUID]) -> list[UUID]:
    """All codes of the queue, each once. The event loop may add to it meanwhile."""
    taken = []
    while codes:
        taken.append(codes.popleft())
    return list(dict.fromkeys(taken))
