"""Fills that are counted by what was known before them, and what follows from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.domain.brokerage import ExecutionFacts
from brokers.domain.orders import MAY_FILL, OrderStatus
from brokers.domain.protection.choices import MissingStop
from brokers.domain.protection.scenes import Fault
from brokers.models import BrokerageAccount, Execution, Lapse, Order
from brokers.orders import follows, reconciliation
from brokers.orders.fills import keeping, told
from brokers.orders.identity import match
from brokers.tests import rows
from brokers.tests.orders.test_reconciliation import fill, report

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    return rows.account(team, book_as_of=now)


@pytest.fixture
def order(account: BrokerageAccount) -> Order:
    return rows.order(account, broker_order_id="70", status="accepted", quantity=Decimal(10))


def test_a_fill_that_somebody_else_keeps_at_this_moment_is_counted_by_reading(order: Order, now: datetime) -> None:
    accounts = {order.account.account_id: order.account}
    news = [fill(order, quantity="4", broker_order_id="70")]
    ours = match.Ours(accounts)
    ours.add(order)
    known = told.load(accounts, ours, [], news)
    # Another process knows of no such order, and keeps the fill as nobody's.
    reconciliation.apply(order.account.connection, executions=[_unnamed(order, "4")], now=now)
    kept = keeping.keep(accounts, ours, news, known, now)
    assert kept.orders == {order.pk: order}
    assert known.amounts(order) == list(order.executions.values_list("quantity", "price"))
    assert Execution.objects.count() == 1


@pytest.mark.parametrize("known_by", ["its reference", "a later report of its number", "a later fill"])
def test_a_fill_is_named_as_its_order_is(order: Order, now: datetime, known_by: str) -> None:
    named = "SPX 261217P6355"
    Order.objects.filter(pk=order.pk).update(ticker=named, broker_order_id="")
    order.refresh_from_db()
    to_ibkr = order.account.connection
    # IBKR's fills say "SPX" of each option on it.
    told_of = replace(fill(order, quantity="4", broker_order_id="70"), ticker="SPX")
    if known_by != "its reference":
        reconciliation.apply(to_ibkr, executions=[replace(told_of, reference="")], now=now)
        assert Execution.objects.get().ticker == "SPX"
    if known_by == "a later report of its number":
        reconciliation.apply(to_ibkr, orders=[report(order, OrderStatus.ACCEPTED, broker_order_id="70")], now=now)
    else:
        reconciliation.apply(to_ibkr, executions=[told_of], now=now)
    row = Execution.objects.get()
    assert (row.order_id, row.ticker) == (order.pk, named)


@pytest.mark.parametrize("known", [True, False])
def test_a_fill_of_a_future_says_its_month_where_its_order_does_not(order: Order, now: datetime, known: bool) -> None:
    Order.objects.filter(pk=order.pk).update(ticker="MNQ", asset_class="future", broker_order_id="")
    order.refresh_from_db()
    told_of = replace(fill(order, quantity="4", broker_order_id="70"), ticker="MNQZ2026")
    if not known:
        reconciliation.apply(order.account.connection, executions=[replace(told_of, reference="")], now=now)
        news = report(order, OrderStatus.ACCEPTED, broker_order_id="70")
        reconciliation.apply(order.account.connection, orders=[news], now=now)
    else:
        reconciliation.apply(order.account.connection, executions=[told_of], now=now)
    row = Execution.objects.get()
    assert (row.order_id, row.ticker) == (order.pk, "MNQZ2026")


def test_fills_in_parts_are_counted_with_those_of_before(order: Order, now: datetime) -> None:
    to_ibkr = order.account.connection
    for number, price in (("1", "100"), ("2", "103")):
        part = fill(order, f"e{number}.01", quantity="5", price=Decimal(price), broker_order_id="70")
        reconciliation.apply(to_ibkr, executions=[part], now=now)
    order.refresh_from_db()
    assert (order.status, order.average_price) == (OrderStatus.FILLED, Decimal("101.5"))


def test_amounts_are_counted_as_their_columns_keep_them(order: Order, now: datetime) -> None:
    part = fill(order, quantity="10", price=Decimal("100.1234567849"), broker_order_id="70")
    applied = reconciliation.apply(order.account.connection, executions=[part], now=now)
    row = Execution.objects.get()
    assert applied.moved[0].average_price == row.price == Decimal("100.12345678")


@pytest.mark.parametrize("status", list(OrderStatus))
def test_what_may_have_a_stop_is_found_by_every_stop_that_may_fill(
    order: Order, now: datetime, status: OrderStatus
) -> None:
    stop = rows.order(
        order.account, role="stop_loss", side="sell", type="stop", stop_price=Decimal(90), status="created"
    )
    filled = {"filled_quantity": stop.quantity} if status is OrderStatus.FILLED else {}
    Order.objects.filter(pk=stop.pk).update(status=str(status), **filled)
    waits, stopped = follows.look([order], set())
    assert (waits, stopped) == (status is OrderStatus.CREATED, status in MAY_FILL)


def test_what_may_have_a_stop_is_found_by_its_ticket_and_by_a_lapse(order: Order, now: datetime) -> None:
    here = {(order.account_id, order.conid)}
    assert follows.look([order], here) == (False, False)
    lapse = Lapse.objects.create(
        team=order.team,
        account=order.account,
        conid=order.conid,
        ticker=order.ticker,
        fault=Fault.REFUSED,
        choice=MissingStop.ALARM,
        began_at=now,
        changed_at=now,
    )
    assert follows.look([], here) == (False, True)
    assert follows.look([], {(order.account_id, order.conid + 1)}) == (False, False)
    Lapse.objects.filter(pk=lapse.pk).update(ended_at=now + timedelta(seconds=1), outcome="Over.")
    assert follows.look([], here) == (False, False)
    rows.order(order.ticket, role="stop_loss", side="sell", type="stop", stop_price=Decimal(90), status="canceled")
    assert follows.look([order], set()) == (False, True)
    assert follows.look([], here) == (False, False)


def _unnamed(order: Order, quantity: str) -> ExecutionFacts:
    return fill(order, quantity=quantity, broker_order_id="", reference="")
