"""The database or Redis away, restarted or stuck: nothing accepted is lost, nothing is stored twice, nobody hangs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import redis
from celery import Celery
from django.conf import settings
from django.db import connection, transaction

from accounts.models import Team
from brokers.postgres.locks import direct_parameters
from strategies.domain.message.refusals import Refused
from strategies.models import Refusal, Signal, Strategy
from strategies.tests import rows
from strategies.tests.webhook import doors
from strategies.webhook.delivery import Delivery
from strategies.webhook.door import Door
from strategies.webhook.intake import Intake
from strategies.webhook.nudges import Nudger

pytestmark = pytest.mark.django_db(transaction=True)

BUY, SELL = {"ticker": "SPY", "action": "buy"}, {"ticker": "SPY", "action": "sell"}


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


@pytest.fixture
def path(strategy: Strategy) -> str:
    return doors.path_of(strategy)


def kill_the_doors_connection() -> int:
    """End every other connection to our database, as a restart does; how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%json_to_' || 'recordset%'"
        )
        return int(cursor.fetchone()[0])


@contextlib.contextmanager
def locked(table: str) -> Iterator[None]:
    """Nobody writes to the table meanwhile."""
    with psycopg.connect(**direct_parameters()) as other, other.transaction():
        other.execute(f"LOCK TABLE {table} IN SHARE MODE")
        yield


def delivery(strategy: Strategy, body: bytes = b'{"ticker":"SPY","action":"buy"}', **changes: Any) -> Delivery:
    endpoint = strategy.endpoints.get().code
    return Delivery(endpoint=endpoint, authorised=True, received_at=datetime.now(UTC), body=body, **changes)


def store(*batches: list[Delivery]) -> list[Any]:
    """Batches through one intake, one after the other; the outcomes of all."""

    async def play() -> list[Any]:
        intake = Intake(direct_parameters())
        outcomes = [outcome for batch in batches for outcome in await intake.store(batch)]
        await intake.close()
        return outcomes

    return asyncio.run(play())


def test_a_connection_that_died_between_signals_is_replaced(path: str) -> None:
    async def scenario(door: Door) -> list[doors.Response]:
        first = await doors.knock(door, path, BUY)
        assert await doors.in_thread(kill_the_doors_connection) == 1
        return [first, await doors.knock(door, path, SELL)]

    assert [answer.status for answer in doors.with_door(scenario)] == [200, 200]
    assert Signal.objects.count() == 2


def test_a_connection_that_dies_under_a_batch_loses_and_doubles_nothing(path: str) -> None:
    async def scenario(door: Door) -> list[doors.Response]:
        await doors.knock(door, path, BUY)
        with locked("strategies_signal"):
            waiting = [asyncio.create_task(doors.knock(door, path, {**SELL, "quantity": n})) for n in range(1, 6)]
            await doors.in_thread(lambda: _until(lambda: _waits_for_a_lock() > 0))
            assert await doors.in_thread(kill_the_doors_connection) == 1
        return await asyncio.gather(*waiting)

    assert [answer.status for answer in doors.with_door(scenario)] == [200] * 5
    assert Signal.objects.count() == 6


def test_a_batch_whose_answer_was_lost_is_recognised_when_stored_again(strategy: Strategy) -> None:
    batch = [
        delivery(strategy),
        delivery(strategy, b"not json"),
        delivery(strategy, b'{"ticker":"QQQ","action":"buy"}'),
    ]
    outcomes = store(batch, batch)
    assert outcomes[:3] == outcomes[3:]
    assert outcomes[0] == batch[0].signal
    assert (Signal.objects.count(), Refusal.objects.count()) == (2, 1)
    assert set(Signal.objects.values_list("duplicates", flat=True)) == {0}


def test_without_a_database_the_sender_is_asked_to_try_again(path: str, strategy: Strategy) -> None:
    async def scenario(door: Door) -> list[doors.Response]:
        await door.close()
        door._intake = Intake({"host": "127.0.0.1", "port": free_port(), "dbname": "nowhere"})
        knocks = (doors.knock(door, path, {**BUY, "quantity": n}) for n in range(1, 21))
        return list(await asyncio.gather(*knocks))

    started = time.monotonic()
    answers = doors.with_door(scenario)
    assert {(answer.status, answer.code) for answer in answers} == {(503, "unavailable")}
    assert answers[0].headers["retry-after"] == "1"
    # TradingView hangs up after three seconds.
    assert time.monotonic() - started < 3
    assert not Signal.objects.exists()


def test_a_table_that_stays_locked_is_answered_in_time(path: str) -> None:
    async def scenario(door: Door) -> doors.Response:
        await doors.knock(door, path, BUY)
        with locked("strategies_signal"):
            return await doors.knock(door, path, SELL)

    answer = doors.with_door(scenario)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert Signal.objects.count() == 1


def test_a_delivery_the_database_cannot_hold_fails_alone(strategy: Strategy) -> None:
    bodies = [b'{"ticker":"SPY","action":"buy","quantity":%d}' % n for n in range(1, 6)]
    batch = [delivery(strategy, body) for body in bodies]
    batch[2].content_type = "longer than its column " * 10
    outcomes = store(batch)
    assert [outcome == one.signal for outcome, one in zip(outcomes, batch, strict=True)] == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert isinstance(outcomes[2], Refused)
    assert (outcomes[2].status, outcomes[2].code) == (400, "invalid-payload")
    assert Signal.objects.count() == 4


def test_a_signal_is_seen_by_others_before_it_is_answered(path: str) -> None:
    answer = doors.post(path)
    with psycopg.connect(**direct_parameters()) as other:
        row = other.execute("SELECT code::text FROM strategies_signal").fetchone()
    assert row == (answer.json["id"],)


def test_commits_are_synchronous_whatever_the_server_says(path: str) -> None:
    async def scenario(door: Door) -> str:
        await doors.knock(door, path)
        assert door._intake is not None
        rows = await door._intake._run("SELECT current_setting('synchronous_commit'), %s", [])
        return str(rows[0][0])

    with connection.cursor() as cursor:
        cursor.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
    try:
        assert doors.with_door(scenario) == "on"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER ROLE CURRENT_USER RESET synchronous_commit")


def test_one_notification_tells_of_a_batch(path: str) -> None:
    with psycopg.connect(**direct_parameters()) as listener:
        listener.execute("LISTEN halyard_signals")
        doors.post_all(path, [{**BUY, "quantity": n} for n in range(1, 31)])
        doors.post(path, b"refused")
        heard = list(listener.notifies(timeout=0.2))
    assert 1 <= len(heard) <= 3
    # Of whose signals: who decides leaves a team that rests for later without a look.
    assert {notice.payload for notice in heard} == {str(Signal.objects.values_list("team", flat=True).distinct().get())}


@pytest.fixture
def queue() -> Iterator[redis.Redis]:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("signals")
    yield broker
    broker.delete("signals")


def test_the_workers_are_nudged_once_for_a_burst_and_once_for_its_end(path: str, queue: redis.Redis) -> None:
    doors.post_all(path, [{**BUY, "quantity": n} for n in range(1, 101)])
    nudges = [nudge for nudge in queue.lrange("signals", 0, -1) if b"strategies.decide" in nudge]
    assert 1 <= len(nudges) <= 3


def test_refused_deliveries_nudge_nobody(path: str, queue: redis.Redis) -> None:
    doors.post_all(path, [b"refused"] * 5)
    assert queue.llen("signals") == 0


def test_a_dead_redis_neither_delays_nor_fails_an_answer(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(door: Door) -> list[doors.Response]:
        assert door._nudger is not None
        door._nudger.close()
        door._nudger = Nudger(Celery(broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=False))
        return [await doors.knock(door, path, {**BUY, "quantity": n}) for n in range(1, 6)]

    with caplog.at_level("WARNING", logger="strategies.webhook.nudges"):
        assert {answer.status for answer in doors.with_door(scenario)} == {200}
    assert Signal.objects.count() == 5
    assert caplog.text.count("the workers were not nudged") == 1


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _waits_for_a_lock() -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0])


def _until(true: Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
