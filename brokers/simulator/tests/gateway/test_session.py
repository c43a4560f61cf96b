from __future__ import annotations

from dataclasses import replace

from brokers.simulator.behaviour import fast, strict
from brokers.simulator.gateway.session import Session

NOW = 1_795_262_400.0


def session() -> Session:
    return Session(username="alice", token="0123456789abcdef")


def test_a_fresh_login_is_connected_but_not_authenticated() -> None:
    status = session().status(NOW)
    assert (status["connected"], status["authenticated"], status["established"]) == (True, False, False)


def test_a_session_is_established_after_the_delay() -> None:
    one = session()
    assert one.init(NOW, strict(), compete=True) is True
    assert one.status(NOW)["authenticated"] is True
    assert [one.stage(NOW + s) for s in (0, 1.4, 1.5)] == ["connecting", "connecting", "established"]


def test_a_silent_session_is_lost_after_six_minutes() -> None:
    one = session()
    one.init(NOW, fast(), compete=True)
    one.accounts_queried = True
    one.expire(NOW + 360, fast())
    assert one.stage(NOW + 360) == "established"
    one.expire(NOW + 361, fast())
    assert (one.stage(NOW + 361), one.accounts_queried) == ("lost", False)


def test_a_session_ends_after_a_day_however_busy() -> None:
    one = session()
    one.init(NOW, fast(), compete=True)
    one.last_request_at = NOW + 86_401
    one.expire(NOW + 86_401, fast())
    assert one.stage(NOW + 86_401) == "lost"


def test_a_stolen_session_comes_back_only_by_competing() -> None:
    one = session()
    one.init(NOW, fast(), compete=True)
    one.lose()
    one.competing = True
    assert one.init(NOW, fast(), compete=False) is False
    assert one.status(NOW)["competing"] is True
    assert one.init(NOW, fast(), compete=True) is True
    assert (one.status(NOW)["competing"], one.stage(NOW)) == (False, "established")


def test_signing_in_twice_keeps_the_session_and_what_it_read() -> None:
    one = session()
    one.init(NOW, replace(fast(), init_delay_ms=0), compete=True)
    one.read("orders")
    one.init(NOW + 5, fast(), compete=True)
    assert (one.initiated_at, one.read("orders")) == (NOW, 1)
