"""After a restore of an older backup nothing is opened before IBKR's orders and fills are in this database; ways out go on."""

from __future__ import annotations

from datetime import datetime

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, Order
from brokers.postgres.incarnation import this_database
from brokers.tests import rows as broker_rows
from strategies.control import approval
from strategies.control.approval import ApprovalRefused
from strategies.deciding import settle
from strategies.models import Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db
WAITS = "IBKR's lists of orders and fills, read anew since the database started"


@pytest.fixture
def restored(team: Team, now: datetime) -> BrokerageAccount:
    """An account whose orders were brought home into another database than this one, and whose positions are fresh."""
    made = broker_rows.account(team, book_as_of=now, orders_home_in="16384.16999.1.0")
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


def home(account: BrokerageAccount) -> None:
    BrokerageAccount.objects.filter(pk=account.pk).update(orders_home_in=this_database())


def test_an_entry_waits_until_orders_and_fills_are_home(
    strategy: Strategy, restored: BrokerageAccount, now: datetime
) -> None:
    rows.subscription(strategy, restored, now)
    signal = rows.signal(strategy, now)
    settle.settle_waiting(now)
    decision = signal.decisions.get()
    restored.refresh_from_db()
    # The lane is asked for a look, although the positions are of this moment.
    assert (decision.status, decision.waiting_for, restored.book_wanted_at) == ("pending", WAITS, now)
    home(restored)
    settle.settle_waiting(now)
    decision.refresh_from_db()
    assert decision.status == "accepted"


def test_a_way_out_does_not_wait_for_them(strategy: Strategy, restored: BrokerageAccount, now: datetime) -> None:
    rows.subscription(strategy, restored, now)
    broker_rows.position(restored)
    signal = rows.signal(strategy, now, reading=reading("exit", quantity=None))
    settle.settle_waiting(now)
    assert (signal.decisions.get().status, Order.objects.get().role) == ("accepted", "exit")


def test_a_plan_of_the_backup_is_not_approved_before_they_are_home(
    strategy: Strategy, restored: BrokerageAccount, now: datetime
) -> None:
    """It may have been approved and sent after the backup was made."""
    home(restored)
    rows.subscription(strategy, restored, now, auto_submit=False)
    signal = rows.signal(strategy, now)
    settle.settle_waiting(now)
    decision = signal.decisions.get()
    assert decision.status == "proposed"
    BrokerageAccount.objects.update(orders_home_in="16384.16999.1.0")
    owner = strategy.team.memberships.get(role="owner").user
    with pytest.raises(ApprovalRefused) as refused:
        approval.approve(decision, actor=owner, now=now)
    assert str(refused.value) == f"It waits for {WAITS}. Try again in a moment."
    assert not Order.objects.exists()
