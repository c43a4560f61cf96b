"""No order of a live connection leaves without a consent to real money that stands: not even by SQL of one's own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database

from accounts.models import AuditEntry, Team
from accounts.tests.refusals import refused_by
from brokers.connections import connections, user_accounts
from brokers.domain.brokerage import AccountFacts
from brokers.domain.live_money import Consent
from brokers.domain.orders import OrderStatus
from brokers.models import BrokerageAccount, Connection, Order, SubmissionAttempt
from brokers.orders import execution
from brokers.tests import rows

pytestmark = pytest.mark.django_db
NUMBER = "U1234567"
WHOLE = Consent(email_verified=True, second_factor=True, confirmed=True, typed=(NUMBER,))
SENT = sorted({*OrderStatus} - {"created", "denied", "expired", "canceled"})


@pytest.fixture
def order(team: Team, now: datetime) -> Order:
    """An order that waits in an account of a live connection with a consent."""
    account = rows.account(team)
    Connection.objects.update(
        environment="live", base_url="https://gateway.example/v1/api", live_account=NUMBER, proved_at=now
    )
    BrokerageAccount.objects.update(account_id=NUMBER, is_paper=False)
    return rows.order(BrokerageAccount.objects.get(pk=account.pk), expires_at=now + timedelta(hours=1))


def sql(statement: str, *values: Any) -> None:
    with database.cursor() as cursor:
        cursor.execute(statement, values)


def withdraw(order: Order, how: str = "live_account = ''") -> None:
    sql(f"UPDATE brokers_connection SET {how} WHERE id = %s", order.connection_id)


def test_an_order_leaves_while_the_consent_stands(order: Order, now: datetime) -> None:
    job = execution.take_next(order.connection_id, now)
    assert job is not None
    assert [each.status for each in job.orders] == ["submitted"]


@pytest.mark.parametrize("how", ["live_account = ''", "enabled = false", "enabled = false, live_account = ''"])
@pytest.mark.parametrize("status", SENT)
def test_no_sql_sends_an_order_without_it(order: Order, how: str, status: str) -> None:
    withdraw(order, how)
    with refused_by("live_order_takes_a_consent"):
        sql("UPDATE brokers_order SET status = %s, filled_quantity = quantity WHERE id = %s", status, order.pk)


@pytest.mark.parametrize("status", SENT)
def test_no_sql_makes_an_order_that_was_sent(order: Order, status: str) -> None:
    withdraw(order)
    with refused_by("live_order_takes_a_consent"):
        rows.order(order.ticket, status=status, filled_quantity=10)


def test_a_paper_order_that_was_sent_does_not_become_a_live_one(order: Order, team: Team, now: datetime) -> None:
    withdraw(order)
    paper = rows.order(rows.account(team))
    assert Order.objects.move(paper, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    with refused_by("live_order_takes_a_consent"):
        sql("UPDATE brokers_order SET connection_id = %s WHERE id = %s", order.connection_id, paper.pk)


def test_a_lost_order_is_not_sent_again_without_it(order: Order, now: datetime) -> None:
    assert Order.objects.move(order, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    assert Order.objects.move(order, OrderStatus.UNKNOWN, now=now)
    withdraw(order)
    with refused_by("live_order_takes_a_consent"):
        sql("UPDATE brokers_order SET status = 'submitted' WHERE id = %s", order.pk)


@pytest.mark.parametrize("kind", ["post", "reply", "modify"])
def test_nothing_is_written_down_as_leaving_without_it(order: Order, now: datetime, kind: str) -> None:
    withdraw(order)
    with refused_by("live_write_takes_a_consent"):
        SubmissionAttempt.objects.create(order=order, kind=kind, request_hash="0", sent_at=now)


def test_what_ends_an_order_needs_none(order: Order, now: datetime) -> None:
    assert Order.objects.move(order, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    assert Order.objects.move(order, OrderStatus.ACCEPTED, now=now)
    withdraw(order, "enabled = false, live_account = ''")
    SubmissionAttempt.objects.create(order=order, kind="cancel", request_hash="0", sent_at=now)
    assert Order.objects.move(order, OrderStatus.PENDING_CANCEL, now=now)
    assert Order.objects.move(order, OrderStatus.FILLED, now=now, filled_quantity=order.quantity)


@pytest.mark.parametrize("environment", ["paper", "simulated"])
def test_orders_that_move_no_money_need_none(order: Order, now: datetime, environment: str) -> None:
    Connection.objects.update(environment=environment, live_account="")
    assert execution.take_next(order.connection_id, now) is not None


def test_a_waiting_order_stays_where_it_is_without_it(order: Order, now: datetime) -> None:
    withdraw(order)
    assert execution.take_next(order.connection_id, now) is None
    assert Order.objects.get().status == "created"


def test_switching_off_ends_the_consent_and_switching_on_by_sql_brings_none(order: Order, now: datetime) -> None:
    connections.disable(connection=order.connection, actor=None, now=now)
    assert Connection.objects.get().live_account == ""
    Connection.objects.update(enabled=True)
    assert execution.take_next(order.connection_id, now) is None
    Connection.objects.update(enabled=False)
    connections.enable(connection=Connection.objects.get(), actor=None, consent=WHOLE, now=now)
    assert execution.take_next(order.connection_id, now) is not None
    assert AuditEntry.objects.get(action="connection.enabled").after == {"live_account": NUMBER}


def test_a_live_connection_without_a_consent_says_so(order: Order, now: datetime) -> None:
    withdraw(order)
    made = Connection.objects.get()
    facts = [AccountFacts(account_id=NUMBER, is_paper=False)]
    assert user_accounts.save_accounts(connection=made, facts=facts, now=now) == []
    assert (made.session_status, made.session_code) == ("refused", "consent-missing")
    assert made.session_action == "Type the number of its account on the connection's page."
