"""Connections of the pool: alive when they are taken, and not asked whether they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from brokers.postgres.locks import Space, direct_parameters, is_free, try_only_one
from config.database import base
from config.tests.watching import eventually


class Counting(psycopg.Connection[Any]):
    """Counts the trips to the server that are made to look whether it is there."""

    trips = 0

    def execute(self, *values: Any, **options: Any) -> Any:
        self.trips += 1
        return super().execute(*values, **options)


@pytest.fixture
def session(db: None) -> Iterator[Counting]:
    with Counting.connect(**direct_parameters()) as opened:
        yield opened


def test_a_connection_used_a_moment_ago_costs_no_trip(session: Counting) -> None:
    assert base.is_alive(session, 100.0)
    assert base.is_alive(session, 100.1)
    assert base.is_alive(session, 104.0)
    assert session.trips == 0


def test_a_connection_that_nobody_used_for_a_while_is_asked(session: Counting) -> None:
    assert base.is_alive(session, 100.0)
    assert base.is_alive(session, 100.0 + base.ASKED_AFTER_SECONDS)
    assert session.trips == 1


def test_a_connection_that_the_server_has_ended_is_not_alive_however_lately_it_was_used(session: Counting) -> None:
    assert base.is_alive(session, 100.0)
    with psycopg.connect(**direct_parameters()) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [session.info.backend_pid])
    assert eventually(lambda: not base.is_alive(session, 100.1), 10)


@pytest.mark.django_db(transaction=True)
def test_the_pool_replaces_a_connection_that_the_server_has_ended() -> None:
    connection.ensure_connection()
    assert connection.connection is not None
    ended = connection.connection.info.backend_pid
    connection.close()
    with psycopg.connect(**direct_parameters()) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [ended])
        gone = "SELECT FROM pg_stat_activity WHERE pid = %s"
        assert eventually(lambda: not other.execute(gone, [ended]).fetchall(), 10)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() != (ended,)


@pytest.mark.django_db(transaction=True)
def test_a_lock_is_free_until_somebody_holds_it() -> None:
    assert is_free(Space.DRAIN, 77)
    with try_only_one(Space.DRAIN, 77) as session:
        assert session is not None
        assert not is_free(Space.DRAIN, 77)
    assert eventually(lambda: is_free(Space.DRAIN, 77), 10)
