"""What looks at stops and at orders in doubt ask of the database: every fill and every list leads to one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from brokers.book import holdings
from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.evidence import Source
from brokers.domain.orders import OrderStatus
from brokers.domain.protection.verdicts import judge
from brokers.models import BrokerageAccount, Lapse, Order
from brokers.orders import doubt
from brokers.protection import books, home, mending, rounds, scenes
from brokers.tests import rows
from brokers.tests.orders.test_reconciliation import fill as reported

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    return rows.account(team, book_as_of=now)


@pytest.fixture
def entry(account: BrokerageAccount, now: datetime) -> Order:
    """An entry that has filled; what it bought is listed."""
    rows.position(account)
    return rows.filled(rows.order(account, broker_order_id="70"), at=now)


def stop_of(entry: Order, now: datetime) -> Order:
    """A stop of all that an entry bought, working."""
    legs = {"parent": entry, "release": "with_parent", "time_in_force": "gtc", "broker_order_id": "71"}
    prices = {"role": "stop_loss", "side": "sell", "type": "stop", "stop_price": Decimal(150)}
    stop = rows.order(entry.ticket, **legs, **prices)
    assert Order.objects.move(stop, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    assert Order.objects.move(stop, OrderStatus.ACCEPTED, now=now, acknowledged_at=now)
    return stop


def end(stop: Order, now: datetime) -> None:
    assert Order.objects.move(stop, OrderStatus.REJECTED, now=now, cause="IBKR: no", reason="No.")


def statements(call: Callable[[], object]) -> int:
    """How many statements a call sends, without those that begin and end transactions."""
    with CaptureQueriesContext(
        connection,
    ) as sent:
        call()
    return sum("SAVEPOINT" not in query["sql"] for query in sent.captured_queries)


def test_a_look_at_a_position_with_its_stop_takes_five(entry: Order, now: datetime) -> None:
    stop_of(entry, now)
    here = [(entry.account_id, entry.conid)]
    assert statements(lambda: mending.look_at(here, now)) == 5
    assert not Lapse.objects.exists()


def test_a_look_at_what_never_had_a_stop_takes_one(entry: Order, now: datetime) -> None:
    assert statements(lambda: mending.look_at([(entry.account_id, entry.conid)], now)) == 1


def test_a_look_at_a_lapse_that_stands_takes_two_more(entry: Order, now: datetime) -> None:
    end(stop_of(entry, now), now)
    here = [(entry.account_id, entry.conid)]
    for _ in range(3):
        mending.look_at(here, now)
    assert Lapse.objects.filter(ended_at=None).count() == 1
    # How the stop ended, and whether anybody has asked for that.
    assert statements(lambda: mending.look_at(here, now)) <= 7


def test_all_that_may_lack_a_stop_is_found_by_one(entry: Order, now: datetime) -> None:
    end(stop_of(entry, now), now)
    found: set[tuple[int, int]] = set()
    assert statements(lambda: found.update(rounds.candidates(now))) == 1
    assert found == {(entry.account_id, entry.conid)}


def test_a_list_that_says_nothing_new_takes_five(entry: Order, now: datetime) -> None:
    stop = stop_of(entry, now)
    to_ibkr = entry.account.connection
    listed = [
        OrderFacts(
            account_id=entry.account.account_id,
            broker_order_id=order.broker_order_id,
            reference=order.reference,
            status=OrderStatus(order.status),
            filled_quantity=order.filled_quantity,
        )
        for order in (entry, stop)
    ]
    name = entry.account.account_id
    fills = [reported(entry, f"{entry.executions.get().broker_execution_id}.02", broker_order_id=entry.broker_order_id)]
    # A correction of the fill that the entry has.
    known = home.bring(to_ibkr, executions=fills, now=now).applied.of_connection
    assert statements(lambda: home.bring(to_ibkr, now=now)) == 0
    assert statements(lambda: home.bring(to_ibkr, orders=listed, now=now)) == 3
    assert statements(lambda: home.bring(to_ibkr, orders=listed, executions=fills, now=now)) == 3
    assert statements(lambda: home.bring(to_ibkr, orders=listed, executions=fills, now=now, known=known)) == 2
    assert statements(lambda: home.note_list(to_ibkr, name, listed, now)) == 2


def test_a_fill_of_an_order_without_a_stop_takes_five(account: BrokerageAccount, now: datetime) -> None:
    order, known = rows.order(account, broker_order_id="70"), {account.account_id: account}
    assert Order.objects.move(order, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    told = reported(order, quantity=str(order.quantity), broker_order_id="70")
    assert statements(lambda: home.bring(account.connection, executions=[told], now=now, known=known)) == 5
    order.refresh_from_db()
    assert order.status == OrderStatus.FILLED


def test_accounts_that_news_names_for_the_first_time_are_looked_up(account: BrokerageAccount, now: datetime) -> None:
    order = rows.order(rows.account(account.team, account.connection), broker_order_id="70")
    told = reported(order, quantity=str(order.quantity), broker_order_id="70")
    home.bring(account.connection, executions=[told], now=now, known={account.account_id: account})
    order.refresh_from_db()
    assert order.filled_quantity == order.quantity


def test_a_book_that_leaves_nothing_to_do_takes_six(account: BrokerageAccount, now: datetime) -> None:
    BrokerageAccount.objects.update(opened_at=now)
    later = now + timedelta(seconds=1)

    def read() -> None:
        assert not holdings.refresh(account, positions=[], summary=None, as_of=later)
        assert books.look_through(account, later) is None

    assert statements(read) == 6
    account.refresh_from_db()
    assert account.book_as_of == later


def test_what_was_mended_meanwhile_opens_no_lapse(entry: Order, now: datetime) -> None:
    end(stop_of(entry, now), now)
    seen = scenes.load(entry.account_id, entry.conid, now)
    assert seen is not None
    verdict = judge(seen.scene, seen.choice, now)
    # Another process places a stop between this look and what follows from it.
    stop_of(entry, now)
    assert mending._begin(seen, verdict, entry.conid, now) == 0
    assert not Lapse.objects.exists()


def test_a_look_for_an_order_in_doubt_takes_six(account: BrokerageAccount, now: datetime) -> None:
    order = rows.order(account)
    assert Order.objects.move(order, OrderStatus.SUBMITTED, now=now, submitted_at=now)
    assert Order.objects.move(order, OrderStatus.UNKNOWN, now=now)
    doubt.note_looks(order, [Source.ORDERS], 0, now)
    assert statements(lambda: doubt.note_looks(order, [Source.ORDERS], 0, now)) == 6
    assert order.doubts.get().looks[-1]["rows"] == 0
