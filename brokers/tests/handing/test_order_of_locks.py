"""Orders are held by their keys, whoever holds several: two transactions that want the same ones wait, and neither is broken off."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Team
from brokers.domain.doubts.choices import Choice
from brokers.domain.orders import OrderType
from brokers.models import BrokerageAccount, Order
from brokers.orders import tickets, undecided
from brokers.orders.modifications import asking
from brokers.postgres.locks import direct_parameters
from brokers.tests import rows
from brokers.tests.orders.test_plans import intent
from brokers.tests.pauses import pauses
from strategies.tests import rows as strategy_rows

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal
WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
LOCK = "SELECT FROM brokers_order WHERE id = %s FOR UPDATE NOWAIT"


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


def close_leg(order: Order) -> None:
    """A leg of a group's account is canceled, and another placed instead of it, which names the group's entry."""
    draft = tickets.Draft(
        account=order.account,
        key=uuid.uuid4(),
        conid=order.conid,
        currency="USD",
        multiplier=D(1),
        intents=(intent("stop_loss", "sell", 1, type=OrderType.STOP, stop_price=D(80)),),
        cancels=(order.reference,),
        expires_at=timezone.now() + timedelta(days=1),
        cause="placed instead",
        group_entry=order.group_entry_id,
    )
    with transaction.atomic():
        tickets.open_tickets([draft], timezone.now())


def leg_of_a_group(account: BrokerageAccount) -> list[Order]:
    carrier = rows.account(account.team, of=account.connection, account_id="F1", kind="advisor")
    entry = rows.order(
        carrier,
        fa_group="family",
        fa_method="NetLiq",
        status="filled",
        quantity=D(1),
        filled_quantity=D(1),
        filled_at=timezone.now(),
    )
    leg = {"role": "stop_loss", "side": "sell", "type": "stop", "stop_price": D(90), "status": "accepted"}
    return [entry, rows.order(account, broker_order_id="9", group_entry=entry, **leg)]


def waits(session: psycopg.Connection[Any]) -> bool:
    """Whether somebody waits for a lock, within some seconds."""
    for pause in itertools.islice(pauses(), 200):
        if session.execute(WAITS).fetchall():
            return True
        time.sleep(pause)
    return False


@pytest.mark.parametrize(
    ("made", "deed"), [(two_parts, change), (two_in_doubt, decide_again), (leg_of_a_group, close_leg)]
)
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
