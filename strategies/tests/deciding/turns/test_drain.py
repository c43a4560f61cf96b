"""The drain of waiting signals ends when its worker does, however busy it is."""

from __future__ import annotations

import os
import threading

import pytest
from django.db import connections

from brokers.postgres.locks import Space, try_only_one
from brokers.postgres.notices import SIGNALS_CHANNEL, STOP, notify
from strategies.deciding import settle
from strategies.drain import drain

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_busy_drain_hears_that_its_worker_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = threading.Semaphore(0)

    def busy(*_: object, **__: object) -> int:
        turns.release()
        return 1

    def work() -> None:
        drain()
        connections.close_all()

    monkeypatch.setattr(settle, "settle_waiting", busy)
    # A thread that hears nothing must not keep this process from its end.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    assert turns.acquire(timeout=20)
    with try_only_one(Space.DECIDE, 0) as session:
        assert session is None
    notify(SIGNALS_CHANNEL, f"{STOP}{os.getppid()}")
    worker.join(20)
    assert not worker.is_alive()
