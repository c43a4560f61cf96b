"""An order that somebody else has locked is passed by, in its place and for its place: nobody takes it twice, or waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import BrokerageAccount, Order
from brokers.orders import execution
from brokers.postgres.locks import direct_parameters
from brokers.processes import between
from brokers.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team, rows.connection(team, session_status="active", last_kept_at=timezone.now()))


@contextmanager
def held(*orders: Order) -> Iterator[None]:
    """Somebody else's transaction has these orders."""
    with psycopg.connect(**direct_parameters()) as session:
        session.execute("BEGIN")
        session.execute("SELECT FROM brokers_order WHERE id = ANY(%s) FOR UPDATE", [[order.pk for order in orders]])
        yield
        session.execute("ROLLBACK")


def taken(account: BrokerageAccount) -> int | None:
    job = execution.take_next(account.connection_id, timezone.now())
    return None if job is None else job.orders[0].pk


def test_the_next_of_its_place_leaves_and_then_what_was_held(account: BrokerageAccount) -> None:
    first, second = rows.order(account), rows.order(account)
    with held(first):
        assert taken(account) == second.pk
        assert taken(account) is None
        # It may leave all the same.
        assert between.writes_wait(account.connection_id, timezone.now())
    assert taken(account) == first.pk
    assert taken(account) is None
    assert not between.writes_wait(account.connection_id, timezone.now())


def test_another_place_leaves_where_all_of_one_is_held(account: BrokerageAccount) -> None:
    way_out = rows.order(account, role="exit", side="sell")
    entry = rows.order(account, conid=1)
    with held(way_out):
        assert taken(account) == entry.pk
    assert taken(account) == way_out.pk


def test_two_who_take_at_once_take_two(account: BrokerageAccount) -> None:
    orders = [rows.order(account).pk for _ in range(2)]
    with psycopg.connect(**direct_parameters()) as session:
        session.execute("BEGIN")
        row = session.execute(
            "UPDATE brokers_order SET status = 'submitted' WHERE id = %s RETURNING id", [orders[0]]
        ).fetchone()
        # What the other has moved is not committed yet: this one sees it as it was, and passes it by.
        assert (row, taken(account)) == ((orders[0],), orders[1])
        session.execute("COMMIT")
    assert taken(account) is None
