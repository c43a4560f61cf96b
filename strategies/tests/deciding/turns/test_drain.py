"""The drain of waiting signals: what it looks for, and that it ends when its worker does, however busy it is."""

from __future__ import annotations

import os
import threading
import time

import psycopg
import pytest
from django.db import connections

from brokers.postgres.locks import Space, direct_parameters, try_only_one
from brokers.postgres.notices import DECISIONS_CHANNEL, SIGNALS_CHANNEL, STOP, TURN, WORK, notify
from strategies.deciding import settle
from strategies.domain.revisits import Look, Revisits, Seen
from strategies.domain.rota import Rota
from strategies.drain import drain, news

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
    with try_only_one(Space.DRAIN, 0) as session:
        assert session is None
    notify(SIGNALS_CHANNEL, f"{STOP}{os.getppid()}")
    worker.join(20)
    assert not worker.is_alive()


def test_signals_of_a_team_that_cannot_have_a_turn_yet_are_no_reason_to_look() -> None:
    rota, revisits, now = Rota(), Revisits(), time.monotonic()
    revisits.looked(9, Look(now), Seen(waiting=frozenset({4})), now)
    rota.served(7, now, seconds=0.01, full=False)
    for _ in range(20):
        rota.served(1, now, seconds=0.01, full=False, took=9.0)
    rota.served(2, now, seconds=0.01, full=True)
    rota.aside = 2
    assert rota.free_at(1, now) > now
    with psycopg.connect(**direct_parameters()) as session:
        for channel in (SIGNALS_CHANNEL, DECISIONS_CHANNEL):
            session.execute(f"LISTEN {channel}")

        def heard(channel: str, payload: str) -> list[str]:
            notify(channel, payload)
            return [notice.payload for notice in news(session, rota, revisits, 0.2)]

        assert heard(SIGNALS_CHANNEL, "2") == [], "whose turn is under way: its end is told"
        assert heard(SIGNALS_CHANNEL, "3") == ["3"]
        assert heard(SIGNALS_CHANNEL, "") == [""]
        assert heard(SIGNALS_CHANNEL, f"{STOP}1") == [f"{STOP}1"]
        assert heard(DECISIONS_CHANNEL, "") == [""]
        assert heard(DECISIONS_CHANNEL, "3,4") == ["3,4"], "connections, and a decision of one waits"
        assert heard(DECISIONS_CHANNEL, "2") == [], "nothing waits there"
        assert heard(DECISIONS_CHANNEL, f"{WORK}2") == [f"{WORK}2"], "there is more to do than to look at what waits"
        assert heard(DECISIONS_CHANNEL, TURN) == [TURN]
        # A team that rests is looked after when it has rested, however long it was to be waited for.
        rota.aside = None
        notify(SIGNALS_CHANNEL, "1")
        assert news(session, rota, revisits, 60.0) == []
        assert rota.free_at(1, time.monotonic()) <= time.monotonic()
