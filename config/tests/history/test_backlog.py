"""What an order costs that leaves, and what a lane looks at, does not grow with the orders that wait behind it: rows, not times.

PostgreSQL knows the table as it was when nothing waited, as it does when a burst comes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from benchmarks.trading import history, walking
from brokers.connections import sessions
from brokers.domain.brokerage import Accepted, Ack
from brokers.domain.orders import OrderStatus
from brokers.models import BrokerageAccount, Order, Ticket
from brokers.orders import execution, follows
from brokers.orders.statements import ROUNDS
from brokers.orders.together.answering import Came, acknowledge_each
from brokers.orders.together.leaving import take_of_ticket
from brokers.orders.together.taking import take_of_each
from brokers.processes import agenda, between
from brokers.tests import rows
from config.tests.access.world import undone
from config.tests.history.probe import probing
from config.tests.history.test_history import as_large_tables_are_read, custom_plans, forget_plans

pytestmark = [pytest.mark.django_db, pytest.mark.long]
BACKLOG = 1_000
# Of one table, by one part of a statement.
MOST = 40

Act = Callable[[Order, datetime], object]


def answered(order: Order, now: datetime) -> None:
    """IBKR has taken the order, which had left."""
    Order.objects.filter(pk=order.pk).update(status="submitted")
    left = Order.objects.get(pk=order.pk)
    walking.answer(execution.Job(account_id="", orders=(left,), legs=(), attempt_pk=0), left, now)


def answered_with_others(order: Order, now: datetime) -> None:
    """The same, where answers to other lanes came at the same moment."""
    Order.objects.filter(pk=order.pk).update(status="submitted")
    left = Order.objects.get(pk=order.pk)
    ack = Ack(reference=left.reference, broker_order_id="1", status=OrderStatus.ACCEPTED)
    answer = execution.Answer(outcome=Accepted(acks=(ack,)), attempt_pk=0)
    job = execution.Job(account_id="", orders=(left,), legs=(), attempt_pk=0)
    assert acknowledge_each([Came(job, answer, now)]) != [None]


ACTS: dict[str, Act] = {
    "the next order is taken": lambda order, now: execution.take_next(order.connection_id, now),
    "the next order of each lane is taken": lambda order, now: take_of_each([order.connection_id], now),
    "the order of a ticket is handed over": lambda order, now: take_of_ticket(order.ticket, now),
    "an answer is written down": answered,
    "answers are written down together": answered_with_others,
    "a lane looks between two orders": lambda order, now: between.take_next(order.connection_id, lambda: now),
    "a lane looks": lambda order, now: agenda.look(order.connection_id, now, back=False),
    "lanes look together": lambda order, now: agenda.look_at_each([order.connection_id], lambda: now),
    "a question may have to give way": lambda order, now: between.writes_wait(order.connection_id, now),
    "a way out may wait": lambda order, now: between.has_ways_out(order.connection_id, now),
    "a lane without a session asks whether anything waits": lambda order, now: agenda.has_work(
        order.connection_id, now
    ),
    "a preview may be asked for": lambda order, now: agenda.next_asking(order.connection_id, now),
    "a process looks for lanes that have work": lambda order, now: agenda.waiting_connections(now),
    "news moves an order": lambda order, now: follows.look([order], [(order.account_id, order.conid)]),
    "a session asks whether an exit waits": lambda order, now: sessions.exit_is_due(order.connection_id),
}


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    """Many orders of it have ended, and none waits, as far as PostgreSQL has counted."""
    made = rows.account(team, rows.connection(team, session_status="active", last_kept_at=timezone.now()))
    many(rows.order(made, status="canceled"), BACKLOG)
    history.measure()
    return made


def many(like: Order, count: int, **values: Any) -> list[Order]:
    """Orders as this one, each with a ticket of its own."""
    now = timezone.now()
    owner = {"team": like.team, "account": like.account, "connection": like.connection}
    own = Ticket.objects.bulk_create([Ticket(key=uuid.uuid4(), **owner) for _ in range(count)])
    columns = {f.attname: getattr(like, f.attname) for f in Order._meta.concrete_fields}
    kept = {
        k: v for k, v in columns.items() if k not in {"id", "code", "reference", "ticket_id", "expires_at", *values}
    }
    return Order.objects.bulk_create(
        Order(reference=f"hy-{uuid.uuid4().hex}", ticket=ticket, expires_at=now + timedelta(hours=1), **kept, **values)
        for ticket in own
    )


def in_line(account: BrokerageAccount) -> Order:
    return many(rows.order(account), BACKLOG)[0]


def behind_a_doubt(account: BrokerageAccount) -> Order:
    rows.order(account, status="unknown", submitted_at=timezone.now())
    return in_line(account)


def brackets(account: BrokerageAccount) -> Order:
    """Entries with legs that travel with them."""
    waiting = many(rows.order(account), BACKLOG // 2)
    leg = rows.order(waiting[0].ticket, role="stop_loss", release="with_parent", parent=waiting[0], side="sell")
    legs = many(leg, BACKLOG // 2, parent=None, release="at_once", status="canceled")
    for parent, each in zip(waiting, legs, strict=True):
        each.parent, each.release, each.status, each.ticket = parent, "with_parent", "created", parent.ticket
    Order.objects.bulk_update(legs, ["parent", "release", "status", "ticket"])
    return waiting[0]


def after_served_contracts(account: BrokerageAccount) -> Order:
    """A contract whose orders left last, and a few that wait in others."""
    first = in_line(account)
    for conid in range(1, 10):
        rows.order(account, conid=conid)
    ROUNDS[account.connection_id].leave(account.pk, first.conid)
    return first


BACKLOGS = [in_line, behind_a_doubt, brackets, after_served_contracts]


@pytest.mark.parametrize("wait", BACKLOGS)
def test_what_waits_is_not_read_for_what_leaves(
    account: BrokerageAccount, wait: Callable[[BrokerageAccount], Order]
) -> None:
    order, now = wait(account), timezone.now()
    wrong = []
    for name, act in ACTS.items():
        with as_large_tables_are_read(), probing() as probe, undone():
            act(order, now)
        assert probe.reads, name
        wrong += [f"{name}: {read}" for read in probe.beyond(MOST)]
    assert not wrong, "\n".join(wrong)


def test_a_probe_sees_what_reads_a_backlog(account: BrokerageAccount) -> None:
    in_line(account)
    read_all = partial(Order.objects.filter(account=account, status="created", quantity__gt=1).count)
    with as_large_tables_are_read(), probing() as probe:
        assert read_all() > MOST
    assert probe.beyond(MOST)


TIMES = 14


def test_what_a_lane_asks_between_two_orders_is_planned_once(account: BrokerageAccount) -> None:
    """For all of its values: to plan what takes an order costs three times what it takes to run it."""
    now, pk = timezone.now(), in_line(account).connection_id
    forget_plans()
    for _ in range(TIMES):
        between.take_next(pk, lambda: now)
        between.writes_wait(pk, now)
        between.has_ways_out(pk, now)
    plans = [(sql, count) for sql, count in custom_plans() if "brokers_order o" in sql]
    assert len(plans) >= 4
    assert [sql for sql, count in plans if count > TIMES // 2] == []
