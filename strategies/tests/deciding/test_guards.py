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

from accounts.models import AuditEntry, Team, User
from brokers.book.day_ledger import day_end, day_start
from brokers.models import BrokerageAccount, OpeningPosition, Position
from brokers.tests import rows as broker_rows
from strategies.deciding import guards
from strategies.domain.decide.guards import NO_GUARDS, Guards, Halt, Level, LevelGuard
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
    return guards.hold([subscription], now).of(subscription)


def test_without_rows_nothing_is_guarded_and_nothing_more_is_asked(subscription: Subscription, now: datetime) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        active = guards.hold([subscription] * 50, now)
        assert all(active.of(subscription) is NO_GUARDS for _ in range(50))
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
        ("team", {}),
        ("account", {"account": account}),
        ("strategy", {"strategy": strategy}),
        ("subscription", {"subscription": subscription}),
    ):
        Guard.objects.create(team=team, level=level, max_trades_per_day=9, **whom)
    figures = seen(subscription, now)
    assert [(each.level, each.trades_today, each.last_trade_at) for each in figures.levels] == [
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
    active = guards.hold([subscription, other], now)
    active.count_entry(other)
    assert [each.trades_today for each in active.of(subscription).levels] == [1, 0]
    assert active.of(subscription).levels[1].last_trade_at is None
    active.count_entry(subscription)
    assert [each.trades_today for each in active.of(subscription).levels] == [2, 1]
    assert active.of(subscription).levels[1].last_trade_at == now


def test_figures_of_a_level_are_read_once_a_batch(strategy: Strategy, team: Team, now: datetime) -> None:
    followers = [rows.subscription(strategy, broker_rows.account(team), now) for _ in range(5)]
    for each in followers:
        Guard.objects.create(team=team, level="account", account=each.account, max_trades_per_day=1)
    active = guards.hold(followers, now)
    with CaptureQueriesContext(connection) as asked:
        for each in followers:
            assert active.of(each).levels[0].trades_today == 0
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
    figures = seen(subscription, now)
    assert (figures.lockout_until, figures.lockout) == (now + timedelta(hours=2), "this account (News)")


def holding(account: BrokerageAccount, now: datetime, was: int, price: int) -> None:
    """One share of it, since the day began."""
    BrokerageAccount.objects.filter(pk=account.pk).update(opened_at=now - timedelta(hours=1), book_as_of=now)
    account.refresh_from_db()
    Position.objects.filter(account=account).delete()
    broker_rows.position(account, conid=1, ticker="T", quantity=Decimal(1), market_price=Decimal(price))
    OpeningPosition.objects.get_or_create(
        account=account, day=day_start(now).date(), conid=1, ticker="T", quantity=Decimal(1), price=Decimal(was)
    )


def test_the_teams_result_is_the_sum_of_its_accounts(
    subscription: Subscription, account: BrokerageAccount, team: Team, now: datetime
) -> None:
    Guard.objects.create(team=team, level="team", max_daily_loss=1000)
    Guard.objects.create(team=team, level="account", account=account, max_daily_loss=1000)
    holding(subscription.account, now, 100, 40)
    holding(broker_rows.account(team), now, 100, 110)
    assert [(each.level, each.day_profit) for each in seen(subscription, now).levels] == [
        (Level.TEAM, Decimal(-50)),
        (Level.ACCOUNT, Decimal(-60)),
    ]


def test_practice_and_real_money_are_not_added_up(subscription: Subscription, team: Team, now: datetime) -> None:
    Guard.objects.create(team=team, level="team", max_daily_loss=100)
    holding(subscription.account, now, 100, 90)
    real = broker_rows.account(team, book_as_of=now, is_paper=False)
    assert seen(subscription, now).levels[0].day_profit == -10
    another = broker_rows.account(team, book_as_of=now)
    unknown = seen(subscription, now).levels[0].day_unknown
    assert another.account_id in unknown
    assert real.account_id not in unknown


@pytest.mark.parametrize("level", ["team", "account", "subscription"])
def test_a_limit_of_the_day_stays_reached_for_that_day(
    level: str,
    strategy: Strategy,
    account: BrokerageAccount,
    team: Team,
    now: datetime,
    django_capture_on_commit_callbacks: Any,
) -> None:
    terms = {"max_daily_loss": Decimal(50)} if level == "subscription" else {}
    subscription = rows.subscription(strategy, account, now, **terms)
    if level != "subscription":
        whom = {"account": account} if level == "account" else {}
        Guard.objects.create(team=team, level=level, max_daily_loss=50, **whom)
    holding(account, now, 100, 51)
    with django_capture_on_commit_callbacks(execute=True):
        guards.judge_days(now)
    assert not Guard.objects.filter(lockout_until__isnull=False).exists()
    holding(account, now, 100, 50)
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            guards.judge_days(now)
    holding(account, now, 100, 100)
    figures = seen(subscription, now)
    assert figures.lockout_until == day_end(now)
    assert "loss today is 50.00 USD" in figures.lockout
    written = AuditEntry.objects.get(action="guard.locked_out")
    assert (written.team, written.actor) == (team, None)
    guard = Guard.objects.get(level=level)
    assert (guard.locked_by, guard.locked_at) == (None, now)


def test_the_day_after_a_limit_was_reached_is_a_new_one(
    subscription: Subscription,
    account: BrokerageAccount,
    team: Team,
    now: datetime,
    django_capture_on_commit_callbacks: Any,
) -> None:
    Guard.objects.create(team=team, level="account", account=account, max_daily_profit=10)
    holding(subscription.account, now, 100, 110)
    with django_capture_on_commit_callbacks(execute=True):
        assert seen(subscription, now).levels[0].day_profit == 10
    tomorrow = now + timedelta(days=1)
    holding(subscription.account, tomorrow, 110, 110)
    figures = seen(subscription, tomorrow)
    assert figures.lockout_until is not None
    assert figures.lockout_until <= tomorrow
    assert figures.levels[0].day_profit == 0


def test_what_guards_a_decision_can_be_stored_and_read_again(
    subscription: Subscription, strategy: Strategy, team: Team, now: datetime
) -> None:
    Guard.objects.create(
        team=team,
        level="strategy",
        strategy=strategy,
        max_amount="12.50",
        max_trades_per_day=3,
        cooldown_seconds=5,
        restricted=["GME"],
        lockout_until=now,
        lockout_reason="Until later",
        locked_at=now,
    )
    entry(subscription, now)
    figures = seen(subscription, now)
    stored = msgspec.json.encode(asdict(figures))
    assert msgspec.convert(msgspec.json.decode(stored), Guards, strict=False) == figures


def test_what_is_decided_shares_its_lock_and_a_stop_does_not(subscription: Subscription, now: datetime) -> None:
    with transaction.atomic():
        guards.hold([subscription], now)
        with connection.cursor() as cursor:
            cursor.execute("SELECT mode, objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
            assert ("ShareLock", subscription.team_id) in cursor.fetchall()
