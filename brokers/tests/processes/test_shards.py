"""Several stream processes, really running: no connection is watched twice, and none is left out for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database

from accounts.models import Team
from brokers.models import Connection
from brokers.postgres.locks import Space, direct_parameters
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import rows

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("servers"), pytest.mark.long]

COMMAND = [sys.executable, "manage.py", "stream", "--take-over-after", "3"]


@dataclass
class Streams:
    """Stream processes as the Procfile starts them, on this test's database."""

    gateway: RunningGateway
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, shard: int, shards: int) -> subprocess.Popen[bytes]:
        parameters = direct_parameters()
        named = {
            name: parameters[name] for name in ("dbname", "host", "port", "user", "password") if parameters.get(name)
        }
        url = "postgresql:///?" + urlencode(named)
        environment = os.environ | {
            "DATABASE_URL": url,
            "HALYARD_GATEWAY_URL": self.gateway.url,
            "HALYARD_KEEP_SECONDS": "1",
        }
        process = subprocess.Popen([*COMMAND, "--shard", str(shard), "--shards", str(shards)], env=environment)
        self.running.append(process)
        return process

    def end(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def streams(gateway: RunningGateway) -> Iterator[Streams]:
    made = Streams(gateway)
    yield made
    made.end()


def until(condition: Callable[[], object], what: str, within: float = 30.0) -> None:
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, f"still waiting until {what}"
        time.sleep(0.05)


def sockets(gateway: RunningGateway, connections: list[Connection]) -> list[int]:
    """How many live streams each user has open at the gateway."""
    return [int(gateway.session(made.username)["sockets"]) for made in connections]


def holders() -> dict[int, int]:
    """The database session that holds each shard."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT objid::bigint, pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [int(Space.STREAM)],
        )
        return {int(shard): int(pid) for shard, pid in cursor.fetchall()}


@pytest.fixture
def users(team: Team) -> list[Connection]:
    return [rows.connection(team) for _ in range(5)]


def all_watched(gateway: RunningGateway, users: list[Connection]) -> None:
    """Each has exactly one live stream, and goes on having it."""
    until(lambda: sockets(gateway, users) == [1] * len(users), "each is watched once")
    for _ in range(10):
        assert max(sockets(gateway, users)) == 1
        time.sleep(0.1)


def test_two_streams_share_all_connections_and_one_takes_over_from_the_other(
    streams: Streams, users: list[Connection]
) -> None:
    gateway = streams.gateway
    first, second = streams.start(0, 2), streams.start(1, 2)
    all_watched(gateway, users)
    assert len(set(holders().values())) == 2

    second.send_signal(signal.SIGKILL)
    second.wait()
    until(lambda: set(holders()) == {0, 1} and len(set(holders().values())) == 1, "the other one takes over")
    all_watched(gateway, users)

    # Back again, it gets its own connections back, and no other.
    streams.start(1, 2)
    until(lambda: len(set(holders().values())) == 2, "it has its shard back")
    all_watched(gateway, users)

    # One that ends in order leaves nothing behind either.
    first.terminate()
    assert first.wait(20) == 0
    until(lambda: set(holders()) == {0, 1}, "its shard is taken over")
    all_watched(gateway, users)


def test_one_takes_over_while_the_network_is_cut_and_each_is_watched_once_afterwards(team: Team) -> None:
    users = [rows.connection(team) for _ in range(4)]
    rows_of_users = Connection.objects.filter(pk__in=[user.pk for user in users])
    with running_gateway() as gateway:
        streams = Streams(gateway)
        try:
            streams.start(0, 2)
            second = streams.start(1, 2)
            all_watched(gateway, users)
            gateway.kill()
            until(lambda: rows_of_users.filter(session_status="unreachable").count() == 4, "all are seen to be away")
            second.send_signal(signal.SIGKILL)
            second.wait()
            until(lambda: set(holders()) == {0, 1} and len(set(holders().values())) == 1, "the other one takes over")
            gateway.restart()
            until(lambda: rows_of_users.filter(session_status="active").count() == 4, "all are back", 90)
            all_watched(gateway, users)
        finally:
            streams.end()
    for user in users:
        codes = user.session_events.filter(status="unreachable").values_list("code", flat=True)
        assert list(codes) == ["not-reached"]


def test_a_second_process_for_the_same_shard_stands_by(streams: Streams, users: list[Connection]) -> None:
    first = streams.start(0, 1)
    all_watched(streams.gateway, users)
    before = holders()
    streams.start(0, 1)
    time.sleep(3)
    assert holders() == before
    all_watched(streams.gateway, users)
    first.kill()
    until(lambda: holders() and holders() != before, "the one that stood by watches")
    all_watched(streams.gateway, users)


def test_processes_with_another_number_of_shards_wait_until_the_others_ended(
    streams: Streams, users: list[Connection]
) -> None:
    """Shard 1 of 2 would watch what shard 0 of 1 watches already."""
    alone = streams.start(0, 1)
    all_watched(streams.gateway, users)
    streams.start(1, 2)
    time.sleep(6)
    all_watched(streams.gateway, users)
    assert set(holders()) == {0}
    alone.terminate()
    assert alone.wait(20) == 0
    until(lambda: set(holders()) == {0, 1}, "the other one begins, and watches what nobody else does")
    all_watched(streams.gateway, users)


@pytest.mark.parametrize(("shard", "shards"), [(2, 2), (-1, 2), (0, 0), (1, 1)])
def test_a_shard_that_is_none_is_refused_in_a_sentence(shard: int, shards: int) -> None:
    with pytest.raises(CommandError, match=f"With --shards {shards}"):
        call_command("stream", "--shard", str(shard), "--shards", str(shards))
