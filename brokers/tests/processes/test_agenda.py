"""What a connection's lane has to do: asked of one connection, and of all; and what of it never holds the others up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, Connection, ContractLookup, ExchangeRate, Order, SubmissionAttempt
from brokers.orders import cancels
from brokers.postgres.locks import Space, try_only_one
from brokers.processes import agenda, between
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_conversions import match, overdue

pytestmark = pytest.mark.django_db(transaction=True)


def contract(account: BrokerageAccount, **values: object) -> ContractLookup:
    fields = {"connection": account.connection, "ticker": "MSFT", "asset_class": "stock", "increments": [], **values}
    return ContractLookup.objects.create(**fields)


def working(account: BrokerageAccount, **values: object) -> Order:
    fields = {"type": "limit", "limit_price": Decimal(1), "status": "accepted", "broker_order_id": "7", **values}
    return rows.order(account, **fields)


def abandoned(account: BrokerageAccount, now: datetime) -> SubmissionAttempt:
    long_ago = now - timedelta(minutes=5)
    return SubmissionAttempt.objects.create(order=working(account), kind="post", request_hash="x", sent_at=long_ago)


WORK: dict[str, Callable[[BrokerageAccount, datetime], object]] = {
    "an order": lambda account, now: rows.order(account),
    "a contract": lambda account, now: contract(account),
    "a quote": lambda account, now: contract(account, status="found", conid=1, answered_at=now, quote_wanted_at=now),
    "hours": lambda account, now: contract(account, status="found", conid=1, answered_at=now, hours_wanted_at=now),
    "a word on borrowing": lambda account, now: contract(
        account, status="found", conid=1, answered_at=now, borrow_wanted_at=now
    ),
    "a rate": lambda account, now: ExchangeRate.objects.create(
        connection=account.connection, source="EUR", target="USD", wanted_at=now
    ),
    "a book": lambda account, now: BrokerageAccount.objects.filter(pk=account.pk).update(book_wanted_at=now),
    "an order in doubt": lambda account, now: working(account, status="unknown"),
    "a cancel": lambda account, now: working(account, status="pending_cancel", changed_at=now),
    "a conversion": lambda account, now: working(account, convert_after=60, acknowledged_at=now - timedelta(minutes=2)),
    "a resize": lambda account, now: working(account, resize_to=Decimal(3), resize_asked_at=now),
    "a cancel of theirs": lambda account, now: rows.foreign_order(account, cancel_asked_at=now),
    "an answer nobody wrote down": abandoned,
    "questions not to ask": lambda account, now: Connection.objects.filter(pk=account.connection_id).update(
        session_status="active", suppression_wanted_at=now
    ),
}


def test_what_is_due_later_is_found_later_by_the_statement_that_was_written_before(team: Team, now: datetime) -> None:
    account = rows.account(team)
    working(account, convert_after=60, acknowledged_at=now)
    SubmissionAttempt.objects.create(order=working(account, broker_order_id="8"), kind="cancel", sent_at=now)
    assert agenda.waiting_connections(now + timedelta(seconds=59)) == []
    assert agenda.waiting_connections(now + timedelta(seconds=60)) == [account.connection_id]
    assert agenda.waiting_connections(now) == []


@pytest.mark.parametrize("work", WORK)
def test_one_connection_is_asked_about_what_waits_for_it_and_no_other(team: Team, now: datetime, work: str) -> None:
    busy, idle = rows.account(team), rows.account(team)
    WORK[work](busy, now)
    assert agenda.waiting_connections(now) == [busy.connection_id]
    assert agenda.has_work(busy.connection_id, now)
    assert not agenda.has_work(idle.connection_id, now)


def test_nothing_waits_where_nothing_is_to_do(team: Team, now: datetime) -> None:
    account = rows.account(team)
    working(account)
    assert not agenda.has_work(account.connection_id, now)
    assert agenda.waiting_connections(now) == []


def test_a_change_in_doubt_is_looked_up_without_the_connections_lock(team: Team, gateway: RunningGateway) -> None:
    """While IBKR's list makes one wait, whoever opens a lost session gets the lock."""
    gateway.clear_quotes()
    bench = lab.make(team, gateway)
    order = overdue(bench)
    gateway.fault(action={"drop_connection": True}, match=match(bench))
    lists = {"user": bench.user, "method": "GET", "path": "/iserver/account/orders"}
    hanging = gateway.fault(action={"hang": True, "hang_s": 5}, match=lists)

    def asked() -> bool:
        return any(fault["id"] == hanging["id"] and fault["hits"] for fault in gateway.faults())

    # The list of executions is asked for after the one that hangs.
    before = len(bench.gateway.journal(bench.user, path="/iserver/account/trades"))

    def is_free() -> bool:
        with try_only_one(Space.CONNECTION, bench.connection.pk) as session:
            return session is not None

    async def story() -> None:
        async with lab.working():
            await lab.until(asked, "the list is asked for")
            # The lane takes it for moments, for what else is to leave.
            await lab.until(is_free, "the lock is free")
            assert not bench.gateway.journal(bench.user, path="/iserver/account/trades")[before:]

    asyncio.run(asyncio.wait_for(story(), 20))
    assert order.attempts.filter(kind="modify").exists()


def waits(account: BrokerageAccount, now: datetime) -> bool:
    return between.writes_wait(account.connection_id, now)


STAYS: dict[str, Callable[[BrokerageAccount, datetime], object]] = {
    "too late": lambda account, now: rows.order(account, expires_at=now),
    "asked about first": lambda account, now: rows.order(account, asks_first=True),
    "a leg": lambda account, now: rows.order(account, release="with_parent", parent=working(account)),
    "its contract in doubt": lambda account, now: (rows.order(account), working(account, status="unknown")),
    "a cancel that IBKR has": lambda account, now: cancels.finish_cancel(
        order := working(account, status="pending_cancel", changed_at=now),
        cancels.begin_cancel(order, now),
        cancels.ACCEPTED,
        "",
        now,
    ),
}
LEAVES = ["an order", "a cancel", "a conversion", "a resize", "a cancel of theirs"]


@pytest.mark.parametrize("work", LEAVES)
def test_a_lanes_questions_make_way_for_what_may_leave(team: Team, now: datetime, work: str) -> None:
    busy, idle = rows.account(team), rows.account(team)
    WORK[work](busy, now)
    assert waits(busy, now)
    assert not waits(idle, now)


@pytest.mark.parametrize("kind", STAYS)
def test_a_lanes_questions_make_no_way_for_what_cannot_leave(team: Team, now: datetime, kind: str) -> None:
    account = rows.account(team)
    STAYS[kind](account, now)
    assert not waits(account, now)


@pytest.mark.parametrize(
    ("work", "comes_first"),
    [
        ("a contract", True),
        ("a quote", True),
        ("a rate", True),
        ("a book", True),
        ("hours", False),
        ("a word on borrowing", False),
    ],
)
def test_what_decisions_wait_for_comes_before_borrowing(
    team: Team, now: datetime, work: str, comes_first: bool
) -> None:
    busy, idle = rows.account(team), rows.account(team)
    WORK[work](busy, now)
    assert agenda.comes_before_borrowing(busy.connection_id, now) is comes_first
    assert not agenda.comes_before_borrowing(idle.connection_id, now)
