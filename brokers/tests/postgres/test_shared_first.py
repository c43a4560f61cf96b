"""A query that locks rows takes a lock of locks before it locks the first of them."""

from __future__ import annotations

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

from accounts.models import Team
from brokers.models import Order
from brokers.postgres.locks import Space, direct_parameters, shared_first
from brokers.postgres.written import written_once
from brokers.tests import rows


@written_once
def locked(team: int) -> QuerySet[Order]:
    waiting = Order.objects.filter(shared_first(Space.STOP, team), team=team)
    return waiting.select_for_update(of=("self",), skip_locked=True)


def impatient(team: Team) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = 100")
        locked(team.pk)


@pytest.mark.django_db(transaction=True)
def test_the_lock_is_taken_before_a_row_and_kept_until_the_commit(team: Team) -> None:
    order = rows.order(rows.account(team))
    key = [int(Space.STOP), team.pk]
    with psycopg.connect(**direct_parameters()) as other:
        other.execute("SELECT pg_advisory_lock(%s::int, %s::int)", key)
        with pytest.raises(OperationalError, match="lock timeout"):
            impatient(team)
        other.execute("SELECT pg_advisory_unlock(%s::int, %s::int)", key)

        def is_free() -> bool:
            found = other.execute("SELECT pg_try_advisory_xact_lock(%s::int, %s::int)", key).fetchone()
            return bool(found and found[0])

        with transaction.atomic():
            assert locked(team.pk) == [order]
            assert not is_free()
            assert other.execute("SELECT 1 FROM brokers_order FOR UPDATE SKIP LOCKED").fetchall() == []
        assert is_free()
