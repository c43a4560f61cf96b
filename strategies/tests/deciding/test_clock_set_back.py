"""Signals that came before the clock was set back: nobody knows how long they have waited."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """An account whose book was read by the clock of now."""
    made = broker_rows.account(team, book_as_of=now)
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


def test_an_entry_is_not_traded_late(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    rows.subscription(strategy, account, now)
    rows.signal(strategy, now + HOUR)
    settle.settle_waiting(now)
    decision = Decision.objects.get()
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "T01", "stale-signal")
    assert decision.reason.startswith(
        "The clock of this server was set back by more than 60 minutes since the signal came"
    )
    assert not Order.objects.exists()


@pytest.mark.parametrize("seconds", [-1, 0, 5])
def test_clocks_of_two_machines_may_differ_by_seconds(
    strategy: Strategy, account: BrokerageAccount, now: datetime, seconds: int
) -> None:
    rows.subscription(strategy, account, now)
    rows.signal(strategy, now + timedelta(seconds=seconds))
    settle.settle_waiting(now)
    assert Decision.objects.get().status == "accepted"


def test_an_exit_leaves_all_the_same(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    rows.subscription(strategy, account, now)
    broker_rows.position(account, quantity=Decimal(10))
    rows.signal(strategy, now + HOUR, reading=reading(action="exit"))
    settle.settle_waiting(now)
    assert Decision.objects.get().status == "accepted"
    assert Order.objects.get().role == "exit"


def test_a_book_that_was_read_before_it_is_read_again(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    BrokerageAccount.objects.update(book_as_of=now + HOUR)
    rows.signal(strategy, now)
    settle.settle_waiting(now)
    assert Decision.objects.get().waiting_for == "a fresh look at the account's positions"


def test_a_fill_that_was_heard_of_before_it_is_in_a_book_that_was_read_since(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    bought = broker_rows.order(account, created_at=now + HOUR, expires_at=now + HOUR)
    broker_rows.filled(bought, at=now + HOUR)
    account.executions.update(seen_at=now + HOUR)
    broker_rows.position(account, quantity=Decimal(10))
    rows.signal(strategy, now, reading=reading(action="exit"))
    settle.settle_waiting(now)
    assert Decision.objects.get().status == "accepted"
    assert Order.objects.get(role="exit").quantity == Decimal(10)
