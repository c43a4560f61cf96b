"""What guards a subscription, as a batch of decisions sees it: each level's limits against that level's own figures."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Team, User
from brokers.models import BrokerageAccount
from brokers.tests import rows as broker_rows
from strategies import guarding
from strategies.domain.guards import NO_GUARDS, Guards, Halt, Level, LevelGuard
from strategies.models import Guard, Strategy, Subscription
from strategies.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    return broker_rows.account(team, book_as_of=now, equity=Decimal(1000))


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    return rows.strategy(team, now)


@pytest.fixture
def subscription(strategy: Strategy, account: BrokerageAccount, now: datetime) -> Subscription:
    return rows.subscription(strategy, account, now)


def entry(by: Subscription, at: datetime) -> None:
    """A decision of that moment which opened a position."""
    _, ticket = rows.accepted(rows.signal(by.strategy, at), by, at)
    broker_rows.order(ticket)


def seen(subscription: Subscription, now: datetime) -> Guards:
    return guarding.watch([subscription], now).guards(subscription)


def test_without_rows_nothing_is_guarded_and_nothing_more_is_asked(subscription: Subscription, now: datetime) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        watch = guarding.watch([subscription] * 50, now)
        assert all(watch.guards(subscription) is NO_GUARDS for _ in range(50))
    assert len(asked) == 2  # the lock and the rows


def test_a_guard_of_somebody_else_is_not_ours(
    subscription: Subscription, strategy: Strategy, team: Team, now: datetime
) -> None:
    other = rows.subscription(strategy, broker_rows.account(team), now)
    Guard.objects.create(team=team, level="account", account=other.account, max_quantity=1)
    Guard.objects.create(team=Team.objects.create(name="Elsewhere"), level="team", max_quantity=1)
    assert seen(subscription, now) is NO_GUARDS
    assert seen(other, now) == Guards(levels=(LevelGuard(level=Level.ACCOUNT, max_quantity=Decimal(1)),))


def test_each_level_counts_its_own_entries(
    subscription: Subscription, account: BrokerageAccount, strategy: Strategy, team: Team, now: datetime
) -> None:
    elsewhere = rows.subscription(strategy, broker_rows.account(team), now)
    beside = rows.subscription(rows.strategy(team, now, "Other"), account, now)
    for by, at in ((subscription, 5), (elsewhere, 4), (elsewhere, 3), (beside, 2), (subscription, 60 * 26)):
        entry(by, now - timedelta(minutes=at))
    for level, whom in (
        ("team", {}), ("account", {"account": account}), ("strategy", {"strategy": strategy}),
        ("subscription", {"subscription": subscription}),
    ):  # fmt: skip
        Guard.objects.create(team=team, level=level, max_trades_per_day=9, **whom)
    found = seen(subscription, now)
    assert [(each.level, each.trades_today, each.last_trade_at) for each in found.levels] == [
        (Level.TEAM, 4, now - timedelta(minutes=2)),
        (Level.ACCOUNT, 2, now - timedelta(minutes=2)),
        (Level.STRATEGY, 3, now - timedelta(minutes=3)),
        (Level.SUBSCRIPTION, 1, now - timedelta(minutes=5)),
    ]


def test_an_entry_of_the_same_batch_counts_for_whom_it_concerns(
    subscription: Subscription, strategy: Strategy, account: BrokerageAccount, team: Team, now: datetime
) -> None:
    other = rows.subscription(strategy, broker_rows.account(team), now)
    Guard.objects.create(team=team, level="team", max_trades_per_day=9)
    Guard.objects.create(team=team, level="account", account=account, cooldown_seconds=60)
    watch = guarding.watch([subscription, other], now)
    watch.entered(other)
    assert [each.trades_today for each in watch.guards(subscription).levels] == [1, 0]
    assert watch.guards(subscription).levels[1].last_trade_at is None
    watch.entered(subscription)
    assert [each.trades_today for each in watch.guards(subscription).levels] == [2, 1]
    assert watch.guards(subscription).levels[1].last_trade_at == now


def test_figures_of_a_level_are_read_once_a_batch(strategy: Strategy, team: Team, now: datetime) -> None:
    followers = [rows.subscription(strategy, broker_rows.account(team), now) for _ in range(5)]
    for each in followers:
        Guard.objects.create(team=team, level="account", account=each.account, max_trades_per_day=1)
    watch = guarding.watch(followers, now)
    with CaptureQueriesContext(connection) as asked:
        for each in followers:
            assert watch.guards(each).levels[0].trades_today == 0
    assert len(asked) == 1


def test_the_stop_that_stops_most_is_told(
    subscription: Subscription, strategy: Strategy, team: Team, alice: User, now: datetime
) -> None:
    stopped: dict[str, Any] = {"halted_by": alice, "halted_at": now}
    Guard.objects.create(team=team, level="team", halt="entries", halt_reason="Lunch", **stopped)
    assert seen(subscription, now).halt is Halt.ENTRIES
    assert seen(subscription, now).halted_by == f"{alice.email} for the whole team (Lunch)"
    Guard.objects.create(
        team=team, level="strategy", strategy=strategy, halt="everything", halt_reason="It went wild.", **stopped
    )
    assert seen(subscription, now).halt is Halt.EVERYTHING
    assert seen(subscription, now).halted_by == f"{alice.email} for this strategy (It went wild)"


def test_the_lockout_that_ends_last_is_told(
    subscription: Subscription, account: BrokerageAccount, team: Team, now: datetime
) -> None:
    for level, whom, hours in (("team", {}, 1), ("account", {"account": account}, 2)):
        Guard.objects.create(
            team=team,
            level=level,
            lockout_until=now + timedelta(hours=hours),
            lockout_reason="News",
            locked_at=now,
            **whom,
        )
    found = seen(subscription, now)
    assert (found.lockout_until, found.lockout) == (now + timedelta(hours=2), "this account (News)")


def test_practice_and_real_money_are_not_added_up(
    subscription: Subscription, account: BrokerageAccount, team: Team, now: datetime
) -> None:
    Guard.objects.create(team=team, level="team", max_daily_loss=100)
    real = broker_rows.account(team, book_as_of=now, equity=None, is_paper=False)
    paper = seen(subscription, now).levels[0]
    assert account.account_id in paper.day_unknown
    assert real.account_id not in paper.day_unknown


def test_what_guards_a_decision_can_be_stored_and_read_again(
    subscription: Subscription, strategy: Strategy, team: Team, now: datetime
) -> None:
    Guard.objects.create(
        team=team, level="strategy", strategy=strategy, max_amount="12.50", max_trades_per_day=3, cooldown_seconds=5,
        restricted=["GME"], lockout_until=now, lockout_reason="Until later", locked_at=now,
    )  # fmt: skip
    entry(subscription, now)
    found = seen(subscription, now)
    stored = msgspec.json.encode(asdict(found))
    assert msgspec.convert(msgspec.json.decode(stored), Guards, strict=False) == found


def test_what_is_decided_shares_its_lock_and_a_stop_does_not(subscription: Subscription, now: datetime) -> None:
    with transaction.atomic():
        guarding.watch([subscription], now)
        with connection.cursor() as cursor:
            cursor.execute("SELECT mode, objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
            assert ("ShareLock", subscription.team_id) in cursor.fetchall()
