"""What the hand-out guards: delay, expiry, the order of signals by their own time, tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.models import Decision, Signal, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=now)
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime, account: BrokerageAccount) -> Strategy:
    made = rows.strategy(team, now)
    rows.subscription(made, account, now)
    return made


def timed(strategy: Strategy, received_at: datetime, at: datetime, action: str = "buy", **values: Any) -> Signal:
    fields = {**reading(action), "signal_time": at.isoformat()}
    return rows.signal(strategy, received_at, reading=fields, **values)


def test_a_delayed_signal_is_handed_out_when_its_time_has_come(strategy: Strategy, now: datetime) -> None:
    signal = rows.signal(strategy, now, not_before=now + timedelta(seconds=300))
    assert settle.settle_waiting(now + timedelta(seconds=299)) == 0
    BrokerageAccount.objects.update(book_as_of=now + timedelta(seconds=300))
    assert settle.settle_waiting(now + timedelta(seconds=300)) == 1
    # Its life is counted from then on, not from when it came.
    assert signal.decisions.get().status == "accepted"
    assert Order.objects.get().expires_at == now + timedelta(seconds=360)


def test_a_delayed_signal_that_expires_meanwhile_is_set_aside(strategy: Strategy, now: datetime) -> None:
    fields = {**reading(), "expires_at": (now + timedelta(seconds=100)).isoformat()}
    signal = rows.signal(strategy, now, reading=fields, not_before=now + timedelta(seconds=300))
    settle.settle_waiting(now + timedelta(seconds=300))
    signal.refresh_from_db()
    assert (signal.set_aside, signal.dispatched_at) == ("expired-signal", now + timedelta(seconds=300))
    assert not Decision.objects.exists()


def test_an_order_ends_with_its_signal(strategy: Strategy, now: datetime) -> None:
    rows.signal(strategy, now, reading={**reading(), "expires_at": (now + timedelta(seconds=5)).isoformat()})
    settle.settle_waiting(now)
    assert Order.objects.get().expires_at == now + timedelta(seconds=5)


@pytest.mark.parametrize("together", [True, False])
def test_an_older_signal_never_undoes_a_newer_one(strategy: Strategy, now: datetime, together: bool) -> None:
    timed(strategy, now, now)
    if not together:
        settle.settle_waiting(now)
    late = timed(strategy, now, now - timedelta(seconds=2), "exit")
    settle.settle_waiting(now)
    late.refresh_from_db()
    assert late.set_aside == "superseded-signal"
    assert "never undoes a newer one" in late.note
    assert Order.objects.count() == 1


def test_signals_of_other_tickers_strategies_and_tests_undo_nothing(
    strategy: Strategy, team: Team, account: BrokerageAccount, now: datetime
) -> None:
    another = rows.strategy(team, now, "Another")
    knows(account.connection, now, "MSFT", 272093)
    timed(strategy, now, now, "exit", is_test=True)
    timed(another, now, now, "exit")
    rows.signal(strategy, now, reading={**reading("exit", "MSFT"), "signal_time": now.isoformat()})
    timed(strategy, now, now, "exit", set_aside="stale-signal", dispatched_at=now)
    first = timed(strategy, now, now - timedelta(seconds=2))
    settle.settle_waiting(now)
    first.refresh_from_db()
    assert (first.set_aside, first.decisions.get().status) == ("", "accepted")


def test_an_entry_is_too_old_by_its_own_time_where_an_exit_is_not(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    entry = timed(strategy, now, now - timedelta(seconds=90))
    settle.settle_waiting(now)
    decision = entry.decisions.get()
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "T03", "stale-signal")
    broker_rows.position(account, quantity=-5)
    leaving = timed(strategy, now, now - timedelta(seconds=80))
    settle.settle_waiting(now)
    assert leaving.decisions.get().rule == "D15"


def test_a_signal_sent_by_hand_is_never_too_old(strategy: Strategy, now: datetime) -> None:
    signal = timed(strategy, now, now - timedelta(days=2), key="id:test-1")
    settle.settle_waiting(now)
    assert signal.decisions.get().status == "accepted"


def test_a_test_plans_everything_and_sends_nothing(strategy: Strategy, now: datetime) -> None:
    signal = rows.signal(strategy, now, is_test=True)
    settle.settle_waiting(now)
    decision = signal.decisions.get()
    assert (decision.status, decision.rule, decision.ticket) == ("rehearsed", "D01", None)
    assert decision.plan is not None
    (intent,) = decision.plan["intents"]
    assert (intent["side"], intent["quantity"], intent["instrument"]["ticker"]) == ("buy", "10", "AAPL")
    assert not Order.objects.exists()


def test_what_we_do_not_trade_is_denied_with_a_sentence(strategy: Strategy, now: datetime) -> None:
    coins = {"action": "buy", "instrument": {"class": "crypto", "base": "BTC", "quote": "USD"}}
    signal = rows.signal(strategy, now, reading=coins)
    settle.settle_waiting(now)
    decision = signal.decisions.get()
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "B02", "asset-class-not-traded")
    assert decision.reason.startswith("BTCUSD is a crypto pair")


def test_an_exit_right_behind_an_entry_waits_for_it_to_fill(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.signal(strategy, now)
    exit_ = rows.signal(strategy, now, reading=reading("exit", quantity=None))
    settle.settle_waiting(now)
    decision = exit_.decisions.get()
    assert (decision.status, decision.waiting_for) == ("pending", "the order before it to settle")
    Order.objects.update(status="filled", filled_quantity=10)
    broker_rows.position(account, quantity=10)
    settle.settle_waiting(now)
    decision.refresh_from_db()
    assert (decision.status, decision.rule) == ("accepted", "D24")


def test_an_exit_does_not_wait_for_an_entry_that_rests(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    rows.signal(strategy, now, reading={**reading(), "order": {"type": "limit", "limit": "1"}})
    settle.settle_waiting(now)
    Order.objects.update(status="accepted")
    exit_ = rows.signal(strategy, now, reading=reading("exit", quantity=None))
    settle.settle_waiting(now)
    assert exit_.decisions.get().reason_code == "nothing-to-exit"
