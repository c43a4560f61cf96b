"""Nudges the workers when signals wait. Only a nudge: the rows are the queue, and the sweep finds what it missed."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from celery.app import app_or_default

log = logging.getLogger(__name__)

TASK, QUEUE = "strategies.decide", "signals"
SECONDS_BETWEEN = 0.5
SECONDS_BETWEEN_COMPLAINTS = 1.0
# Kombu would try for seconds by itself, and a nudge is worth nothing by then.
IMPATIENT = {"max_retries": 0, "socket_connect_timeout": 1, "socket_timeout": 1}


class Nudger:
    """Sends at most one nudge in half a second, also after the last of a burst, from a thread of its own that may hang."""

    def __init__(self, app: Any = None) -> None:
        # Taken here: in another thread Celery would find an application of its own making.
        self._app: Any = app_or_default(app)
        self._connection: Any = None
        self._pending = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._complained = -SECONDS_BETWEEN_COMPLAINTS
        self._thread = threading.Thread(target=self._run, name="nudges", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Ask for a nudge. Returns at once, even when Redis hangs."""
        self._pending = True
        self._wake.set()

    def close(self) -> None:
        """Send a pending nudge, and wait for it at most a second."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._pending:
                self._pending = False
                self._send()
            if self._closing.wait(SECONDS_BETWEEN) and not self._pending:
                return

    def _send(self) -> None:
        try:
            # A connection from before a restart of Redis fails once; a new one shows whether Redis is there.
            if not self._published():
                self._publish()
        except Exception as error:
            self._connection = None
            if time.monotonic() - self._complained >= SECONDS_BETWEEN_COMPLAINTS:
                self._complained = time.monotonic()
                log.warning("the workers were not nudged (the sweep will find the signals): %s", error)

    def _published(self) -> bool:
        """Whether the present connection still works, and took the nudge."""
        if self._connection is None:
            return False
        try:
            self._publish()
        except Exception:
            self._connection = None
            return False
        return True

    def _publish(self) -> None:
        if self._connection is None:
            options = {**self._app.conf.broker_transport_options, **IMPATIENT}
            self._connection = self._app.connection_for_write(transport_options=options)
        self._app.send_task(TASK, queue=QUEUE, connection=self._connection, retry=False, ignore_result=True)
