"""Limits that are held against what happened today: entries, pauses, the day's result."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from brokers.book.day_ledger import day_start
from brokers.models import BrokerageAccount, OpeningPosition, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.models import Decision, Strategy, Subscription
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=now, equity=Decimal(1000))
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


def settled() -> list[tuple[str, str]]:
    return [(each.status, each.reason_code) for each in Decision.objects.order_by("pk")]


def test_entries_of_one_batch_count_against_the_day(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now, allow_add=True, max_trades_per_day=2)
    for _ in range(3):
        rows.signal(strategy, now)
    settle.settle_waiting(now)
    assert settled() == [("accepted", ""), ("accepted", ""), ("rejected", "trades-per-day")]
    assert Order.objects.count() == 2


def test_entries_of_earlier_batches_count_until_the_day_is_over(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now, allow_add=True, max_trades_per_day=1)
    rows.signal(strategy, now)
    settle.settle_waiting(now)
    rows.signal(strategy, now)
    settle.settle_waiting(now)
    assert settled() == [("accepted", ""), ("rejected", "trades-per-day")]
    tomorrow = now + timedelta(days=1)
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=tomorrow)
    rows.signal(strategy, tomorrow)
    settle.settle_waiting(tomorrow)
    assert settled()[-1] == ("accepted", "")


def test_a_pause_is_kept_between_two_entries(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    rows.subscription(strategy, account, now, allow_add=True, cooldown_seconds=20)
    for seconds in (0, 19, 20):
        at = now + timedelta(seconds=seconds)
        BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=at)
        rows.signal(strategy, at)
        settle.settle_waiting(at)
    assert settled() == [("accepted", ""), ("rejected", "cooldown"), ("accepted", "")]


def test_the_subscriptions_own_limit_is_held_against_its_accounts_day(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    opened(account, now)
    broker_rows.position(account, conid=1, ticker="T", quantity=Decimal(10), market_price=Decimal(90))
    OpeningPosition.objects.create(
        account=account, day=day_start(now).date(), conid=1, ticker="T", quantity=Decimal(10), price=Decimal(100)
    )
    rows.subscription(strategy, account, now, max_daily_loss=Decimal(100))
    rows.signal(strategy, now)
    settle.settle_waiting(now)
    assert settled() == [("rejected", "daily-loss")]
    sentence = (
        "This account's loss today is 100.00 USD, and this subscription's limit is 100.00. No entry until tomorrow."
    )
    assert Decision.objects.get().reason == sentence


def test_a_result_nobody_knows_opens_nothing(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    rows.subscription(strategy, account, now, max_daily_loss=Decimal(100))
    rows.signal(strategy, now)
    settle.settle_waiting(now)
    assert settled() == [("rejected", "day-result-unknown")]
    assert "its positions of this morning have not been read yet" in Decision.objects.get().reason


def opened(account: BrokerageAccount, at: datetime) -> None:
    """The account's day was opened an hour ago."""
    BrokerageAccount.objects.filter(pk=account.pk).update(opened_at=at - timedelta(hours=1))


def test_a_resting_entry_of_a_batch_is_replaced_by_the_next(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, account, now)
    for price in ("10", "11"):
        rows.signal(strategy, now, reading={**reading(), "order": {"type": "limit", "limit": price}})
    settle.settle_waiting(now)
    assert [each.rule for each in Decision.objects.order_by("pk")] == ["D01", ""]
    # On its way it may still fill or be refused; at the broker it rests, and can be replaced.
    Order.objects.update(status="accepted", broker_order_id="1")
    settle.settle_waiting(now)
    assert [each.rule for each in Decision.objects.order_by("pk")] == ["D01", "D39"]
    assert list(Order.objects.order_by("pk").values_list("limit_price", "status")) == [
        (Decimal(10), "pending_cancel"),
        (Decimal(11), "created"),
    ]


def test_an_entry_of_another_subscription_is_not_replaced(
    strategy: Strategy, account: BrokerageAccount, team: Team, now: datetime
) -> None:
    other = rows.strategy(team, now, name="Another")
    for each in (strategy, other):
        rows.subscription(each, account, now)
        rows.signal(each, now, reading={**reading(), "order": {"type": "limit", "limit": "10"}})
        settle.settle_waiting(now)
        Order.objects.filter(status="created").update(status="accepted", broker_order_id="1")
    assert [each.rule for each in Decision.objects.order_by("pk")] == ["D01", "D01"]
    assert set(Order.objects.values_list("status", flat=True)) == {"accepted"}


def test_the_limits_of_many_subscriptions_cost_no_more_questions_than_those_of_one(
    strategy: Strategy, team: Team, now: datetime
) -> None:
    """The figures behind their own limits are read for the whole batch."""

    def asked(followers: int) -> int:
        for _ in range(followers):
            made = broker_rows.account(team, of=connection_row, book_as_of=now, equity=Decimal(1000), opened_at=now)
            rows.subscription(
                strategy, made, now, max_trades_per_day=5, cooldown_seconds=5, max_daily_loss=Decimal(100)
            )
        rows.signal(strategy, now)
        with CaptureQueriesContext(connection) as queries:
            settle.settle_waiting(now)
        assert settled()[-1] == ("accepted", "")
        Subscription.objects.update(enabled=False)
        return sum("openingposition" in each["sql"] for each in queries) + sum(
            "COUNT" in each["sql"] and "strategies_decision" in each["sql"] for each in queries
        )

    connection_row = broker_rows.connection(team)
    knows(connection_row, now)
    assert asked(1) == asked(6) == 2
