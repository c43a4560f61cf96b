"""`/healthz` and `/readyz`."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import redis
from django.test import Client
from kombu.exceptions import OperationalError

from accounts import pulse, tasks
from config import celery, health

# A Redis database of their own, and never two of these at once: they are about what is *not* in it.
pytestmark = [pytest.mark.usefixtures("servers"), pytest.mark.xdist_group("pulse")]
PARTS = ["database", "redis", "worker", "stream", "gateway"]


@pytest.fixture(autouse=True)
def asks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer of the test before."""
    monkeypatch.setitem(health._LAST, "until", 0.0)
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)


@pytest.fixture
def quiet(settings: Any) -> Iterator[redis.Redis]:
    """A Redis in which no process has a pulse."""
    settings.REDIS_URL = re.sub(r"db=\d+", "db=9", settings.REDIS_URL)
    server = redis.Redis.from_url(settings.REDIS_URL)
    server.flushdb()
    yield server
    server.flushdb()


class Healthy(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def simulator(settings: Any) -> Iterator[type[Healthy]]:
    """Something that answers where the gateway should."""
    handler = type("Handler", (Healthy,), {})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.SIMULATOR, settings.GATEWAY_URL = True, f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    server.server_close()


def ready(client: Client) -> tuple[int, dict[str, str]]:
    answer: Any = client.get("/readyz")
    assert "no-store" in answer.headers["Cache-Control"]
    return answer.status_code, answer.json()


def everybody() -> None:
    for name in ("worker", "stream"):
        assert pulse.beat(name)


def test_healthz_is_public_asks_nobody_and_is_never_stored(client: Client) -> None:
    # No database mark on this test: a query would be an error.
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_there_is_nothing_to_post(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


def test_readyz_is_200_when_every_part_is_there(client: Client, quiet: redis.Redis, simulator: type[Healthy]) -> None:
    everybody()
    assert ready(client) == (200, {"status": "ok", **dict.fromkeys(PARTS, "ok")})


@pytest.mark.parametrize("missing", ["worker", "stream"])
def test_a_process_without_a_pulse_is_named(
    client: Client, quiet: redis.Redis, simulator: type[Healthy], missing: str
) -> None:
    everybody()
    quiet.delete(f"halyard:pulse:{missing}")
    status, parts = ready(client)
    assert (status, parts["status"]) == (503, "unavailable")
    assert {name: parts[name] for name in PARTS if parts[name] != "ok"} == {missing: "no sign of life for 15 s"}


def test_a_gateway_that_is_away_is_named(client: Client, quiet: redis.Redis, settings: Any) -> None:
    everybody()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.SIMULATOR, settings.GATEWAY_URL = True, f"http://127.0.0.1:{taken.getsockname()[1]}"
        status, parts = ready(client)
    assert (status, parts["gateway"]) == (503, "not reachable (ConnectionRefusedError)")
    assert parts["database"] == parts["redis"] == parts["worker"] == "ok"


def test_a_gateway_that_is_ill_is_named(client: Client, quiet: redis.Redis, simulator: type[Healthy]) -> None:
    everybody()
    simulator.status = 500
    status, parts = ready(client)
    assert (status, parts["gateway"]) == (503, "answered 500")


def test_a_gateway_that_nobody_wants_is_not_missed(client: Client, quiet: redis.Redis, settings: Any) -> None:
    everybody()
    settings.SIMULATOR = False
    status, parts = ready(client)
    assert (status, parts["gateway"]) == (200, "off")


def test_a_database_that_is_away_is_named_without_its_address(
    client: Client, quiet: redis.Redis, simulator: type[Healthy], settings: Any
) -> None:
    everybody()
    settings.DATABASE_URL = "postgresql://secret-user@/nothing?host=/nonexistent"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["database"] == "not reachable (OperationalError)"
    assert b"secret-user" not in answer.content
    assert b"nonexistent" not in answer.content


def test_without_redis_nothing_is_known_of_the_processes(
    client: Client, simulator: type[Healthy], settings: Any
) -> None:
    settings.REDIS_URL = "unix:///nonexistent/valkey.sock?db=0"
    status, parts = ready(client)
    assert status == 503
    assert parts["redis"] == "not reachable (ConnectionError)"
    assert [parts[name] for name in ("worker", "stream")] == ["redis is away"] * 2
    assert parts["database"] == parts["gateway"] == "ok"


def test_a_part_that_hangs_is_given_a_second(client: Client, quiet: redis.Redis, settings: Any) -> None:
    everybody()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.SIMULATOR, settings.GATEWAY_URL = True, f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        status, parts = ready(client)
        took = time.monotonic() - started
    assert status == 503
    assert parts["gateway"] in {"no answer within 1 s", "not reachable (TimeoutError)"}
    assert parts["database"] == "ok"
    assert 0.9 < took < 3


def test_a_pulse_ends_by_itself(quiet: redis.Redis) -> None:
    pulse.beat("stream", seconds=7)
    left = quiet.ttl("halyard:pulse:stream")
    assert isinstance(left, int)
    assert 0 < left <= 7
    assert pulse.alive(["stream", "worker"]) == {"stream": True, "worker": False}


def test_a_pulse_that_cannot_be_recorded_harms_nobody(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nonexistent/valkey.sock?db=0"
    assert pulse.beat("stream") is False


def queue_of(task: str) -> str:
    return str(celery.app.amqp.router.route({}, task)["queue"].name)


def test_what_moves_money_waits_behind_no_housekeeping() -> None:
    celery.app.loader.import_default_modules()
    names = [name for name in celery.app.tasks if name.startswith(("accounts.", "brokers.", "strategies."))]
    queues = {name: queue_of(name) for name in names}
    assert len(queues) > 9
    assert {name: queue for name, queue in queues.items() if queue != "housekeeping"} == {
        "brokers.work": "orders",
        "strategies.decide": "signals",
    }


@pytest.mark.django_db
def test_a_tick_is_the_workers_pulse_and_begins_what_is_due(
    quiet: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(celery.app, "send_task", lambda name, **_: begun.append(name))
    assert queue_of(tasks.tick.name) == "housekeeping"
    tasks.tick()
    assert pulse.alive(["worker"]) == {"worker": True}
    assert sorted(begun) == sorted(entry["task"] for entry in celery.app.conf["schedule"].values())
    tasks.tick()
    assert len(begun) == len(celery.app.conf["schedule"]), "within a period nothing is begun twice"


def test_what_the_clock_begins_is_there() -> None:
    celery.app.loader.import_default_modules()
    assert tasks.tick.name == celery.TICK_TASK
    assert {entry["task"] for entry in celery.app.conf["schedule"].values()} <= set(celery.app.tasks)
    assert all(entry["expires"] >= 2 and entry["seconds"] >= 1 for entry in celery.app.conf["schedule"].values())


def test_a_tick_that_cannot_be_published_is_left_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(celery.app, "send_task", away)
    celery.ask_for_what_is_due()


def test_what_is_missing_does_not_fill_the_log(
    client: Client, quiet: redis.Redis, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SIMULATOR = False
    assert ready(client)[0] == 503
    assert [record.name for record in caplog.records if record.name == "django.request"] == []


def test_asked_often_it_looks_once_in_a_while(
    client: Client, quiet: redis.Redis, simulator: type[Healthy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 60.0)
    everybody()
    assert ready(client)[0] == 200
    looks: list[int] = []

    def gone() -> dict[str, str]:
        looks.append(1)
        return {"database": "gone"}

    monkeypatch.setattr(health, "CHECKS", {("database",): gone})
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ready(Client()), range(20)))
    assert {status for status, _ in answers} == {200}
    assert looks == []
    monkeypatch.setitem(health._LAST, "until", 0.0)
    with ThreadPoolExecutor(8) as threads:
        assert {status for status, _ in threads.map(lambda _: ready(Client()), range(20))} == {503}
    assert looks == [1]
