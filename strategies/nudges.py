"""Telling the workers that signals wait. Only a nudge: the rows are the queue, and the sweep finds the rest."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from celery import current_app

log = logging.getLogger(__name__)

TASK, QUEUE = "strategies.decide", "signals"
SECONDS_BETWEEN = 0.2
SECONDS_BETWEEN_COMPLAINTS = 1.0


class Nudger:
    """At most one nudge per 200 ms, the last of a burst included, from a thread that may hang as long as it likes."""

    def __init__(self) -> None:
        # Taken here: in another thread Celery would find an application of its own making.
        self._app: Any = current_app._get_current_object()
        self._wanted = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._complained = -SECONDS_BETWEEN_COMPLAINTS
        self._thread = threading.Thread(target=self._run, name="nudges", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Signals wait. Returns at once, whatever Redis does."""
        self._wanted = True
        self._wake.set()

    def close(self) -> None:
        """Send what is wanted still, without waiting for it long."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._wanted:
                self._wanted = False
                self._send()
            if self._closing.wait(SECONDS_BETWEEN) and not self._wanted:
                return

    def _send(self) -> None:
        try:
            self._app.send_task(TASK, queue=QUEUE, retry=False, ignore_result=True)
        except Exception as error:
            if time.monotonic() - self._complained > SECONDS_BETWEEN_COMPLAINTS:
                self._complained = time.monotonic()
                log.warning("the workers were not nudged (the sweep will find the signals): %s", error)
