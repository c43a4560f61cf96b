"""A close and an entry of one bar that were swapped on their way, in the order in which they came."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, Order, Position
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def accounts(team: Team, now: datetime) -> list[BrokerageAccount]:
    accounts = [broker_rows.account(team, book_as_of=now, equity=Decimal(100000)) for _ in range(2)]
    for account in accounts:
        knows(account.connection, now)
    return accounts


@pytest.fixture
def strategy(team: Team, now: datetime, accounts: list[BrokerageAccount]) -> Strategy:
    strategy = rows.strategy(team, now)
    for account in accounts:
        rows.subscription(strategy, account, now, allow_swap=True)
    return strategy


def sent(strategy: Strategy, at: datetime, action: str, sent_at: datetime, **values: Any) -> list[Decision]:
    plain = reading(action, quantity=values.pop("quantity", "10"))
    signal = rows.signal(strategy, at, reading={**plain, **values, "signal_time": sent_at.isoformat()})
    settle.settle_waiting(at)
    return list(signal.decisions.order_by("pk"))


def fill_all(now: datetime) -> None:
    """Every entry at work fills, and the book shows it."""
    for order in Order.objects.filter(role="entry").select_related("ticket__account"):
        broker_rows.filled(order, at=now)
        sign = 1 if order.side == "buy" else -1
        Position.objects.filter(account=order.ticket.account).delete()
        broker_rows.position(order.ticket.account, quantity=sign * order.quantity, as_of=now + timedelta(seconds=60))
    BrokerageAccount.objects.update(book_as_of=now + timedelta(seconds=60))


@pytest.mark.parametrize("action", ["buy", "sell"])
@pytest.mark.parametrize("quantity", [None, "3"])
def test_the_exit_of_the_same_bar_leaves_every_accounts_new_position_alone(
    strategy: Strategy, accounts: list[BrokerageAccount], now: datetime, action: str, quantity: str | None
) -> None:
    assert [decision.status for decision in sent(strategy, now, action, now)] == ["accepted"] * 2
    fill_all(now)
    later = now + timedelta(seconds=60)
    swapped = sent(strategy, later, "exit", now, quantity=quantity)
    assert [(each.rule, each.reason_code) for each in swapped] == [("T05", "superseded-signal")] * 2
    newer = sent(strategy, later, "exit", now + timedelta(seconds=1), quantity=quantity)
    # A full one may wait for the broker's count of what has just filled; it is not refused.
    assert {each.status for each in newer} <= {"accepted", "pending"}


def test_the_exit_of_the_same_bar_does_not_cancel_the_entry_that_works(strategy: Strategy, now: datetime) -> None:
    limit = {"type": "limit", "limit": "100"}
    sent(strategy, now, "sell", now, order=limit)
    swapped = sent(strategy, now, "exit", now, quantity=None)
    assert {(each.rule, each.reason_code) for each in swapped} == {("T05", "superseded-signal")}


def test_received_together_they_are_told_apart_as_well(strategy: Strategy, now: datetime) -> None:
    times = {"signal_time": now.isoformat(), "order": {"type": "limit", "limit": "100"}}
    rows.signal(strategy, now, reading={**reading("sell"), **times})
    swapped = sent(strategy, now, "exit", now, quantity=None)
    assert {(each.rule, each.reason_code) for each in swapped} == {("T05", "superseded-signal")}


def test_a_swapped_exit_does_not_take_the_place_of_an_entry_that_waits(
    strategy: Strategy, accounts: list[BrokerageAccount], now: datetime
) -> None:
    BrokerageAccount.objects.update(book_as_of=now - timedelta(hours=1))
    entries = sent(strategy, now, "sell", now)
    sent(strategy, now, "exit", now, quantity=None)
    assert {Decision.objects.get(pk=entry.pk).status for entry in entries} == {"pending"}
    sent(strategy, now, "exit", now + timedelta(seconds=1), quantity=None)
    assert "accepted" not in {Decision.objects.get(pk=entry.pk).status for entry in entries}


def test_an_older_target_does_not_undo_a_newer_one(strategy: Strategy, now: datetime) -> None:
    sent(strategy, now, "sell", now, quantity=None, target_quantity="10")
    late = rows.signal(
        strategy,
        now,
        reading={
            **reading("sell", quantity=None),
            "target_quantity": "20",
            "signal_time": (now - timedelta(seconds=1)).isoformat(),
        },
    )
    settle.settle_waiting(now)
    late.refresh_from_db()
    assert late.set_aside == "superseded-signal"
