"""Signals that come while IBKR restarts its servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, Connection, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.models import Decision, Signal, Strategy, Subscription
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("default_nights")]
# New York's restart: the gate closes at GATE, and IBKR is back at BACK.
GATE = datetime(2026, 11, 19, 4, 43, tzinfo=UTC)
CAME = GATE + timedelta(minutes=1)
BACK = datetime(2026, 11, 19, 6, 45, tzinfo=UTC)
QUEUE = {"restart_entries": "queue", "restart_minutes": 20}


@pytest.fixture
def account(team: Team) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=GATE)
    Connection.objects.filter(pk=made.connection_id).update(environment="paper", username="PAPER1")
    made.connection.refresh_from_db()
    knows(made.connection, GATE)
    return made


@pytest.fixture
def strategy(team: Team) -> Strategy:
    return rows.strategy(team, GATE)


def follows(strategy: Strategy, account: BrokerageAccount, **terms: Any) -> Subscription:
    return rows.subscription(strategy, account, GATE, **terms)


def came(strategy: Strategy, action: str, at: datetime = CAME, **values: Any) -> Signal:
    return rows.signal(strategy, at, reading=reading(action=action, **values))


def book_read(account: BrokerageAccount, at: datetime) -> None:
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=at)


def answer(signal: Signal) -> tuple[str, str, str]:
    decision = Decision.objects.get(signal=signal)
    return decision.status, decision.rule, decision.reason_code


def test_an_entry_is_rejected_at_once_and_says_until_when(strategy: Strategy, account: BrokerageAccount) -> None:
    follows(strategy, account)
    signal = came(strategy, "buy")
    settle.settle_waiting(CAME)
    assert answer(signal) == ("rejected", "T06", "broker-restarts")
    assert "until 06:45 UTC" in Decision.objects.get().reason


def test_an_entry_that_came_a_moment_before_is_taken(strategy: Strategy, account: BrokerageAccount) -> None:
    follows(strategy, account)
    signal = came(strategy, "buy", GATE - timedelta(seconds=1))
    settle.settle_waiting(GATE - timedelta(seconds=1))
    assert answer(signal) == ("accepted", "D01", "")


def test_an_entry_may_wait_until_it_is_over(strategy: Strategy, account: BrokerageAccount) -> None:
    follows(strategy, account, **QUEUE)
    signal = came(strategy, "buy")
    for now in (CAME, BACK - timedelta(seconds=1)):
        settle.settle_waiting(now)
        assert Decision.objects.get(signal=signal).waiting_for == "IBKR, which restarts its servers until 06:45 UTC"
    settle.settle_waiting(BACK)
    assert Decision.objects.get().waiting_for == "a fresh look at the account's positions"
    book_read(account, BACK + timedelta(minutes=1))
    settle.settle_waiting(BACK + timedelta(minutes=1))
    assert answer(signal) == ("accepted", "D01", "")
    assert Order.objects.get().expires_at == BACK + timedelta(minutes=20)


def test_an_entry_that_waited_leaves_no_later_than_its_subscription_says(
    strategy: Strategy, account: BrokerageAccount
) -> None:
    follows(strategy, account, **QUEUE)
    signal = came(strategy, "buy")
    settle.settle_waiting(CAME)
    # Nobody worked for hours.
    late = BACK + timedelta(minutes=20)
    book_read(account, late)
    settle.settle_waiting(late)
    assert answer(signal) == ("rejected", "T01", "stale-signal")


@pytest.mark.parametrize("terms", [{}, QUEUE])
@pytest.mark.parametrize("at", [CAME, GATE - timedelta(minutes=3)])
def test_an_exit_waits_and_is_decided_when_it_is_over(
    strategy: Strategy, account: BrokerageAccount, terms: dict[str, Any], at: datetime
) -> None:
    follows(strategy, account, **terms)
    broker_rows.position(account, quantity=Decimal(10))
    signal = came(strategy, "exit", at)
    for now in (CAME, BACK - timedelta(seconds=1), BACK + timedelta(seconds=1)):
        settle.settle_waiting(now)
        assert answer(signal)[0] == "pending"
    book_read(account, BACK + timedelta(minutes=2))
    settle.settle_waiting(BACK + timedelta(minutes=2))
    assert answer(signal)[0] == "accepted"
    order = Order.objects.get()
    assert (order.role, order.expires_at) == ("exit", BACK + timedelta(minutes=10))


def test_what_may_close_waits_and_is_rejected_when_it_would_open(strategy: Strategy, account: BrokerageAccount) -> None:
    follows(strategy, account)
    held = broker_rows.position(account, quantity=Decimal(-10))
    signal = came(strategy, "buy")
    settle.settle_waiting(CAME)
    assert answer(signal)[0] == "pending"
    held.delete()
    book_read(account, BACK)
    settle.settle_waiting(BACK + timedelta(seconds=1))
    assert answer(signal) == ("rejected", "T06", "broker-restarts")


def test_a_buy_that_closes_a_short_is_sent_when_it_is_over(strategy: Strategy, account: BrokerageAccount) -> None:
    follows(strategy, account)
    broker_rows.position(account, quantity=Decimal(-10))
    signal = came(strategy, "buy")
    settle.settle_waiting(CAME)
    book_read(account, BACK)
    settle.settle_waiting(BACK + timedelta(seconds=1))
    assert answer(signal)[0] == "accepted"
    assert Order.objects.get().role == "exit"


def test_a_full_exit_ends_the_entry_that_waits(strategy: Strategy, account: BrokerageAccount) -> None:
    follows(strategy, account, **QUEUE)
    entry = came(strategy, "buy")
    settle.settle_waiting(CAME)
    came(strategy, "exit", CAME + timedelta(minutes=1), quantity=None)
    settle.settle_waiting(CAME + timedelta(minutes=1))
    assert answer(entry) == ("rejected", "T04", "superseded-signal")


def test_the_simulated_market_takes_entries_at_night(team: Team, strategy: Strategy) -> None:
    simulated = broker_rows.account(team, book_as_of=CAME)
    knows(simulated.connection, CAME)
    follows(strategy, simulated)
    signal = came(strategy, "buy")
    settle.settle_waiting(CAME)
    assert answer(signal)[0] == "accepted"


@pytest.mark.parametrize("region", ["EU", "APAC"])
def test_another_region_has_another_night(strategy: Strategy, account: BrokerageAccount, region: str) -> None:
    Connection.objects.update(region_seen=region)
    book_read(account, CAME)
    follows(strategy, account)
    signal = came(strategy, "buy")
    settle.settle_waiting(CAME)
    assert answer(signal)[0] == "accepted"
