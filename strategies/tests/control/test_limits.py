"""Limits, lockouts and restricted tickers: what can be set where, and what is kept of who changed them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import AuditEntry, Team, User
from brokers.models import BrokerageAccount, Order
from brokers.tests import rows as broker_rows
from strategies.control import limits
from strategies.control.limits import GuardRefused
from strategies.deciding import settle
from strategies.domain.decide.guards import Level
from strategies.models import Decision, Guard, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db
TEAM: dict[str, Any] = {"target": None}


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=now, equity=Decimal(1000))
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team, account: BrokerageAccount, now: datetime) -> Strategy:
    made = rows.strategy(team, now)
    rows.subscription(made, account, now, allow_add=True)
    return made


def settled(strategy: Strategy, now: datetime) -> tuple[str, str]:
    """What the next signal becomes, and why."""
    rows.signal(strategy, now)
    settle.settle_waiting(now)
    made = Decision.objects.latest("pk")
    return made.status, made.reason


def test_a_limit_holds_from_the_next_signal_on(team: Team, strategy: Strategy, alice: User, now: datetime) -> None:
    assert settled(strategy, now)[0] == "accepted"
    limits.set_limits(team=team, **TEAM, limits={"max_quantity": Decimal(9)}, actor=alice, now=now)
    assert settled(strategy, now) == ("rejected", "10 is more than the team's limit of 9 an order.")
    limits.set_limits(team=team, **TEAM, limits={"max_quantity": None}, actor=alice, now=now)
    assert settled(strategy, now)[0] == "accepted"


@pytest.mark.parametrize("level", ["team", "account", "strategy"])
def test_entries_of_a_level_are_counted_together(
    level: str, team: Team, strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    targets: dict[str, limits.Target] = {"account": account, "strategy": strategy}
    target = targets.get(level)
    limits.set_limits(team=team, target=target, limits={"max_trades_per_day": 2}, actor=None, now=now)
    for _ in range(3):
        rows.signal(strategy, now)
    settle.settle_waiting(now)
    made = Decision.objects.order_by("pk")
    assert [each.reason_code for each in made] == ["", "", "trades-per-day"]
    who = {"team": "The team's", "account": "This account's", "strategy": "This strategy's"}[level]
    assert made[2].reason == f"{who} limit is 2 entries a day, and 2 were made today."


def test_each_change_is_on_record_with_what_was_before(team: Team, alice: User, now: datetime) -> None:
    limits.set_limits(
        team=team, **TEAM, limits={"max_quantity": Decimal("9.50"), "max_trades_per_day": 3}, actor=alice, now=now
    )
    limits.set_limits(team=team, **TEAM, limits={"max_quantity": Decimal(8)}, actor=alice, now=now)
    limits.set_limits(team=team, **TEAM, limits={"max_quantity": Decimal(8)}, actor=alice, now=now)
    written = list(AuditEntry.objects.filter(action="guard.limits_set").order_by("pk"))
    assert [(each.before, each.after) for each in written] == [
        ({}, {"max_quantity": "9.5", "max_trades_per_day": 3}),
        ({"max_quantity": "9.5", "max_trades_per_day": 3}, {"max_quantity": "8", "max_trades_per_day": 3}),
    ]
    assert {each.actor for each in written} == {alice}


@pytest.mark.parametrize(
    ("level", "values", "sentence"),
    [
        (Level.TEAM, {"max_quantity": Decimal(0)}, "above zero"),
        (Level.TEAM, {"max_trades_per_day": -1}, "above zero"),
        (Level.TEAM, {"max_amount": Decimal(10) ** 20}, "more than any account"),
        (Level.TEAM, {"cooldown_seconds": 3_000_000_000}, "more than a limit can be"),
        (Level.STRATEGY, {"max_daily_loss": Decimal(5)}, "belongs to an account or to the team"),
        (Level.SUBSCRIPTION, {"max_quantity": Decimal(5)}, "part of its terms"),
    ],
)
def test_a_limit_that_means_nothing_is_refused(
    level: Level, values: dict[str, Any], sentence: str, team: Team, strategy: Strategy, now: datetime
) -> None:
    target = {Level.STRATEGY: strategy, Level.SUBSCRIPTION: strategy.subscriptions.first()}.get(level)
    with pytest.raises(GuardRefused, match=sentence) as refused:
        limits.set_limits(team=team, target=target, limits=values, actor=None, now=now)
    assert refused.value.field in values
    assert not Guard.objects.exists()


@pytest.mark.parametrize(
    ("old", "new", "looser"),
    [
        ({}, {"max_quantity": Decimal(5)}, False),
        ({"max_quantity": 5}, {"max_quantity": Decimal(4)}, False),
        ({"max_quantity": 5}, {"max_quantity": Decimal(5)}, False),
        ({"max_quantity": 5}, {"max_quantity": Decimal(6)}, True),
        ({"max_quantity": 5}, {"max_quantity": None}, True),
        ({"cooldown_seconds": 60}, {"cooldown_seconds": 59}, True),
        ({"cooldown_seconds": 60}, {"cooldown_seconds": 61}, False),
    ],
)
def test_what_allows_more_than_before_loosens(old: Any, new: Any, looser: bool, team: Team) -> None:
    assert limits.loosens(Guard(team=team, level="team", **old), new) is looser


def test_a_lockout_holds_entries_back_until_it_ends_and_exits_never(
    team: Team, strategy: Strategy, account: BrokerageAccount, alice: User, now: datetime
) -> None:
    whom: dict[str, Any] = {"target": account}
    until = now + timedelta(minutes=1)
    limits.lock_out(team=team, **whom, until=until, reason="Fed at two", actor=alice, now=now)
    status, reason = settled(strategy, now)
    assert (status, reason) == (
        "rejected",
        f"Entries of this account (Fed at two) are locked until {until:%Y-%m-%d %H:%M} UTC. Exits are not.",
    )
    broker_rows.position(account, quantity=Decimal(5))
    rows.signal(strategy, now, reading=reading("exit", quantity=None))
    settle.settle_waiting(now)
    assert Order.objects.get().role == "exit"
    Order.objects.update(status="canceled")
    BrokerageAccount.objects.update(book_as_of=until)
    assert settled(strategy, until)[0] == "accepted"
    limits.unlock(team=team, **whom, reason="Calm again", actor=alice, now=now)
    guard = Guard.objects.get()
    assert (guard.lockout_until, guard.lockout_reason, guard.locked_by) == (None, "", None)
    assert AuditEntry.objects.filter(action__in=["guard.locked_out", "guard.unlocked"], actor=alice).count() == 2


@pytest.mark.parametrize(("minutes", "reason"), [(0, "Why not"), (-1, "Why not"), (5, " ")])
def test_a_lockout_needs_a_future_and_a_reason(minutes: int, reason: str, team: Team, now: datetime) -> None:
    until = now + timedelta(minutes=minutes)
    with pytest.raises(GuardRefused):
        limits.lock_out(team=team, **TEAM, until=until, reason=reason, actor=None, now=now)
    assert not Guard.objects.exists()


def test_a_restricted_ticker_is_not_opened(team: Team, strategy: Strategy, now: datetime) -> None:
    limits.restrict(team=team, target=strategy, tickers=["aapl ", "", "GME"], actor=None, now=now)
    assert Guard.objects.get().restricted == ["AAPL", "GME"]
    status, reason = settled(strategy, now)
    assert status == "rejected"
    assert reason.startswith("AAPL is on this strategy's list of tickers in which no position may be opened.")
    limits.restrict(team=team, target=strategy, tickers=["GME"], actor=None, now=now)
    assert settled(strategy, now)[0] == "accepted"
    written = AuditEntry.objects.filter(action="guard.tickers_restricted").latest("pk")
    assert (written.before, written.after) == (["AAPL", "GME"], ["GME"])


@pytest.mark.parametrize(
    ("listed", "kept"), [(["brk-b"], ["BRK.B"]), (["BRK/B", "BRK.B"], ["BRK.B"]), (["NASDAQ:AAPL"], ["AAPL"])]
)
def test_a_list_holds_names_as_signals_are_read(team: Team, now: datetime, listed: list[str], kept: list[str]) -> None:
    assert limits.restrict(team=team, **TEAM, tickers=listed, actor=None, now=now).restricted == kept


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("<img src=x onerror=alert(1)>", "ticker-does-not-exist"),
        ("=1+1", "ticker-does-not-exist"),
        ("AAPL\u202e", "ticker-does-not-exist"),
        ("ES1!", "continuous-on-a-list"),
        ("SPY 270115C600", "option-on-a-list"),
    ],
)
def test_a_list_takes_nothing_that_no_signal_could_name(team: Team, now: datetime, word: str, code: str) -> None:
    with pytest.raises(GuardRefused) as refused:
        limits.restrict(team=team, **TEAM, tickers=["GME", word], actor=None, now=now)
    assert (refused.value.field, refused.value.code) == ("restricted", code)
    assert not Guard.objects.exists()


def test_the_list_of_a_strategy_is_of_its_class(team: Team, strategy: Strategy, now: datetime) -> None:
    with pytest.raises(GuardRefused, match="EURUSD is a currency pair"):
        limits.restrict(team=team, target=strategy, tickers=["EURUSD"], actor=None, now=now)
    assert limits.restrict(team=team, **TEAM, tickers=["EURUSD"], actor=None, now=now).restricted == ["EURUSD"]


def test_a_list_has_an_end(team: Team, now: datetime) -> None:
    with pytest.raises(GuardRefused, match="at most 100 tickers"):
        limits.restrict(team=team, **TEAM, tickers=[f"T{n}" for n in range(101)], actor=None, now=now)
    with pytest.raises(GuardRefused, match="longer than any ticker"):
        limits.restrict(team=team, **TEAM, tickers=["A" * 41], actor=None, now=now)


def test_entries_stop_while_orders_placed_elsewhere_are_not_counted(
    team: Team, strategy: Strategy, account: BrokerageAccount, alice: User, now: datetime
) -> None:
    broker_rows.foreign_order(account, conid=1, ticker="ES", asset_class="future", side="buy", remaining=Decimal(2))
    # Without the limit the entry leaves, and its decision says what is not counted.
    assert settled(strategy, now)[0] == "accepted"
    inputs = Decision.objects.latest("pk").inputs
    assert inputs is not None
    assert (
        "The money that orders placed elsewhere need is not counted: buy 2 ES." in inputs["assessment"][0]["sentence"]
    )
    limits.set_limits(team=team, target=account, limits={"uncounted_from": 2}, actor=alice, now=now)
    assert settled(strategy, now)[0] == "accepted"
    assert limits.loosens(Guard.objects.get(), {"uncounted_from": 3})
    assert not limits.loosens(Guard.objects.get(), {"uncounted_from": 1})
    limits.set_limits(team=team, target=account, limits={"uncounted_from": 1}, actor=alice, now=now)
    status, reason = settled(strategy, now)
    assert status == "rejected"
    assert reason.startswith(
        "Orders placed elsewhere need money that nobody counts (buy 2 ES), and this account opens nothing"
    )
    assert Decision.objects.latest("pk").rule == "G13"
    # A way out is never held back by it.
    broker_rows.position(account)
    Order.objects.update(status="canceled")
    rows.signal(strategy, now, reading=reading("exit", quantity=None))
    settle.settle_waiting(now)
    assert Decision.objects.latest("pk").status == "accepted"


def test_uncounted_orders_are_an_accounts_and_no_strategys(
    team: Team, strategy: Strategy, alice: User, now: datetime
) -> None:
    with pytest.raises(GuardRefused, match="Orders placed elsewhere belong to an account or to the team"):
        limits.set_limits(team=team, target=strategy, limits={"uncounted_from": 1}, actor=alice, now=now)
