"""Orders are held by their keys, whoever holds several: two transactions that want the same ones wait, and neither is broken off."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Team
from brokers.domain.doubts.choices import Choice
from brokers.models import BrokerageAccount, Order
from brokers.orders import changes, undecided
from brokers.orders.modifications import asking
from brokers.postgres.locks import direct_parameters
from brokers.tests import rows
from brokers.tests.pauses import pauses
from strategies.tests import rows as strategy_rows

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal
WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
LOCK = "SELECT FROM brokers_order WHERE id = %s FOR NO KEY UPDATE NOWAIT"


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


def change(order: Order) -> None:
    asking.change(order=order, values={"limit_price": D(91)}, actor=None, now=timezone.now())


def decide_again(order: Order) -> None:
    undecided.choose(order=order, choice=Choice.AGAIN, actor=None, now=timezone.now())


def two_parts(account: BrokerageAccount) -> list[Order]:
    ticket = rows.ticket(account)
    values = {"type": "limit", "limit_price": D(90), "status": "accepted"}
    return [rows.order(ticket, broker_order_id=str(number), **values) for number in (1, 2)]


def two_in_doubt(account: BrokerageAccount) -> list[Order]:
    now = timezone.now()
    strategy = strategy_rows.strategy(account.team, now)
    by = strategy_rows.subscription(strategy, account, now)
    _, ticket = strategy_rows.accepted(strategy_rows.signal(strategy, now), by, now)
    return [rows.order(ticket, status="needs_attention", reason_code="not-found") for _ in range(2)]


def waits(session: psycopg.Connection[Any]) -> bool:
    """Whether somebody waits for a lock, within some seconds."""
    for pause in itertools.islice(pauses(), 200):
        if session.execute(WAITS).fetchall():
            return True
        time.sleep(pause)
    return False


@pytest.mark.parametrize(("made", "deed"), [(two_parts, change), (two_in_doubt, decide_again)])
def test_the_later_one_is_not_held_while_the_first_is_waited_for(
    account: BrokerageAccount, made: Callable[[BrokerageAccount], list[Order]], deed: Callable[[Order], None]
) -> None:
    """Each held the order that was pressed first, and the rest of its ticket behind it: two people made a deadlock."""
    first, later = made(account)
    failures: list[Exception] = []

    def press() -> None:
        try:
            deed(later)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=press)
    with psycopg.connect(**direct_parameters()) as somebody:
        somebody.execute("BEGIN")
        somebody.execute(LOCK, [first.pk])
        thread.start()
        with psycopg.connect(**direct_parameters()) as watching:
            assert waits(watching), "nobody waited for the first one"
        # What a person who began with the other part asks for next.
        somebody.execute(LOCK, [later.pk])
        somebody.execute("ROLLBACK")
    thread.join(20)
    assert (thread.is_alive(), failures) == (False, [])


def test_a_row_that_points_at_an_order_is_written_while_that_is_held(account: BrokerageAccount) -> None:
    """A leg or a history that names an order waits for nobody who changes it: no key of an order ever changes."""
    order = rows.order(account, status="accepted", broker_order_id="1")
    with transaction.atomic(), psycopg.connect(**direct_parameters()) as somebody:
        changes.lock(order)
        # What Postgres asks for to check a row that points at it.
        assert (
            somebody.execute("SELECT FROM brokers_order WHERE id = %s FOR KEY SHARE NOWAIT", [order.pk]).rowcount == 1
        )
        with pytest.raises(psycopg.errors.LockNotAvailable):
            somebody.execute(LOCK, [order.pk])
