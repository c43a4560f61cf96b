"""The broker's truth home, whatever order the news arrives in and however often."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.orders import OrderStatus, Side
from brokers.models import BrokerageAccount, Execution, Order
from brokers.orders import execution, reconciliation
from brokers.processes import agenda
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    return rows.account(team)


@pytest.fixture
def order(account: BrokerageAccount, now: datetime) -> Order:
    """Sent a moment ago; the answer is on its way."""
    made = rows.order(account)
    assert Order.objects.move(made, OrderStatus.SUBMITTED, now=now)
    return made


def fill(order: Order, number: str = "0001.01.01", quantity: str = "10", **values: object) -> ExecutionFacts:
    facts: dict[str, Any] = {
        "account_id": order.account.account_id,
        "execution_id": number,
        "reference": order.reference,
        "broker_order_id": "77",
        "conid": order.conid,
        "ticker": order.ticker,
        "side": Side(order.side),
        "quantity": Decimal(quantity),
        "price": Decimal("187.25"),
        "fee": Decimal("1.00"),
        "currency": "USD",
        "exchange": "NASDAQ",
        "executed_at": order.created_at,
        **values,
    }
    return ExecutionFacts(**facts)


def report(order: Order, status: OrderStatus | None, **values: object) -> OrderFacts:
    facts: dict[str, Any] = {
        "account_id": order.account.account_id,
        "broker_order_id": "77",
        "reference": order.reference,
        **values,
    }
    return OrderFacts(status=status, **facts)


def home(order: Order, now: datetime, *facts: OrderFacts | ExecutionFacts) -> Order:
    reconciliation.apply(
        order.account.connection,
        orders=[fact for fact in facts if isinstance(fact, OrderFacts)],
        executions=[fact for fact in facts if isinstance(fact, ExecutionFacts)],
        now=now,
    )
    order.refresh_from_db()
    return order


def test_a_fill_that_overtakes_the_answer_fills_the_order(order: Order, now: datetime) -> None:
    home(order, now, fill(order))
    assert (order.status, order.filled_quantity, order.average_price) == ("filled", Decimal(10), Decimal("187.25"))
    assert order.filled_at == now
    assert order.acknowledged_at == now


def test_a_fill_that_comes_twice_counts_once(order: Order, now: datetime) -> None:
    home(order, now, fill(order, quantity="4"))
    home(order, now, fill(order, quantity="4"), fill(order, quantity="4"))
    assert (order.status, order.filled_quantity) == ("partially_filled", Decimal(4))
    assert Execution.objects.count() == 1


def test_fills_in_parts_make_the_average(order: Order, now: datetime) -> None:
    home(order, now, fill(order, "0001.01.01", "4", price=Decimal(100)))
    home(order, now, fill(order, "0001.02.01", "6", price=Decimal(110)))
    assert (order.status, order.average_price) == ("filled", Decimal(106))


def test_a_corrected_fill_replaces_the_first_report(order: Order, now: datetime) -> None:
    home(order, now, fill(order, "0001.01.01", price=Decimal(100)))
    home(order, now, fill(order, "0001.01.02", price=Decimal(101)))
    home(order, now, fill(order, "0001.01.01", price=Decimal(100)))
    assert Execution.objects.get().price == Decimal(101)
    assert order.average_price == Decimal(101)


def test_a_fee_that_comes_later_is_kept(order: Order, now: datetime) -> None:
    home(order, now, fill(order, fee=None))
    home(order, now, fill(order))
    assert Execution.objects.get().fee == Decimal("1.00")


def test_reports_may_come_in_any_order(order: Order, now: datetime) -> None:
    home(order, now, report(order, OrderStatus.FILLED, filled_quantity=Decimal(10), average_price=Decimal("187.25")))
    assert order.status == "filled"
    home(order, now, report(order, OrderStatus.ACCEPTED, filled_quantity=Decimal(0)))
    assert order.status == "filled"
    home(order, now, fill(order))
    assert (order.status, order.filled_quantity) == ("filled", Decimal(10))


def test_an_order_in_doubt_is_adopted_by_its_reference(order: Order, now: datetime) -> None:
    assert Order.objects.move(order, OrderStatus.UNKNOWN, now=now, reason="The answer was lost.")
    home(order, now, report(order, OrderStatus.ACCEPTED))
    assert (order.status, order.broker_order_id, order.reason) == ("accepted", "77", "")


def test_a_late_fill_after_a_cancel_is_a_fact(order: Order, now: datetime) -> None:
    home(order, now, report(order, OrderStatus.CANCELED))
    assert order.status == "canceled"
    home(order, now, fill(order))
    assert order.status == "filled"


def test_a_refused_order_shows_the_brokers_words(order: Order, now: datetime) -> None:
    home(order, now, report(order, OrderStatus.REJECTED, text="No trading permissions."))
    assert (order.status, order.reason) == ("rejected", "No trading permissions.")


def test_a_report_without_a_reference_is_matched_by_the_brokers_id(order: Order, now: datetime) -> None:
    home(order, now, report(order, OrderStatus.ACCEPTED))
    home(order, now, report(order, OrderStatus.CANCELED, reference=None))
    assert order.status == "canceled"


def test_a_fill_of_somebody_elses_order_is_kept_without_one(order: Order, now: datetime) -> None:
    home(order, now, fill(order, reference="typed-by-hand", broker_order_id="99"))
    assert order.status == "submitted"
    assert Execution.objects.get().order is None


def test_a_report_of_another_account_moves_nothing(order: Order, team: Team, now: datetime) -> None:
    other = rows.account(team)
    reconciliation.apply(
        other.connection, orders=[report(order, OrderStatus.CANCELED)], executions=[fill(order)], now=now
    )
    order.refresh_from_db()
    assert order.status == "submitted"
    assert Execution.objects.count() == 0


def test_an_order_that_waits_for_its_parent_becomes_ready_when_it_fills(order: Order, now: datetime) -> None:
    child = rows.order(order.ticket, parent=order, release="after_parent_fills", role="entry")
    assert agenda.waiting_connections(now) == [order.connection_id]  # the answer of the parent is open
    home(order, now, fill(order))
    assert agenda.waiting_connections(now) == [order.connection_id]
    job = execution.take_next(order.connection_id, now)
    assert job is not None
    assert job.orders == (child,)


def test_an_order_that_waits_for_its_parent_ends_with_it(order: Order, now: datetime) -> None:
    child = rows.order(order.ticket, parent=order, release="after_parent_fills")
    home(order, now + timedelta(seconds=1), report(order, OrderStatus.CANCELED))
    child.refresh_from_db()
    assert (child.status, child.reason) == (
        "canceled",
        "Not sent: the order to buy 10 AAPL, which it was to follow, ended as canceled.",
    )


def test_an_older_report_does_not_call_a_filled_order_held(order: Order, now: datetime) -> None:
    held = report(order, OrderStatus.ACCEPTED, held="IBKR locates shares to borrow.")
    assert home(order, now, held).held_reason == "IBKR locates shares to borrow."
    home(order, now, report(order, OrderStatus.FILLED, filled_quantity=Decimal(10), held=""))
    home(order, now, held)
    assert (order.status, order.held_reason) == ("filled", "")


def test_an_order_is_filled_when_that_is_written_and_its_fill_was_seen_when_it_was_heard(
    order: Order, now: datetime
) -> None:
    written = now + timedelta(milliseconds=9)
    reconciliation.apply(order.account.connection, executions=[fill(order)], now=now, clock=lambda: written)
    order.refresh_from_db()
    assert (order.filled_at, order.changed_at, order.events.latest("pk").at) == (written, written, written)
    assert order.executions.get().seen_at == now


def notified(queries: CaptureQueriesContext) -> bool:
    return any("pg_notify" in query["sql"] for query in queries)


def test_a_fill_wakes_the_lane_only_where_something_may_wait_for_it(order: Order, now: datetime) -> None:
    with CaptureQueriesContext(connection) as alone:
        home(order, now, fill(order, quantity="4"), report(order, OrderStatus.CANCELED))
    assert order.status == "canceled"
    assert not notified(alone)
    other = rows.order(order.account)
    assert Order.objects.move(other, OrderStatus.SUBMITTED, now=now)
    rows.order(order.account)
    with CaptureQueriesContext(connection) as behind:
        home(other, now, fill(other, "0002.01.01", broker_order_id="78"))
    assert notified(behind)


def test_a_move_and_its_event_are_one_statement(order: Order, now: datetime) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert Order.objects.move(order, OrderStatus.ACCEPTED, now=now, cause="it works", broker_order_id="79")
    assert len(queries) == 1
    order.refresh_from_db()
    event = order.events.latest("pk")
    assert (order.status, order.broker_order_id, order.changed_at) == ("accepted", "79", now)
    assert (event.old, event.new, event.cause, event.at) == ("submitted", "accepted", "it works", now)
    late, events = Order.objects.get(pk=order.pk), order.events.count()
    late.status = "submitted"
    assert not Order.objects.move(late, OrderStatus.REJECTED, now=now)
    assert order.events.count() == events
