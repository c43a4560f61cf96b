"""Who stands before whom: one account and instrument, one decision after the other."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts import teams
from accounts.models import Team, User
from brokers.models import BrokerageAccount, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.models import Decision, Signal, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """An account whose book is too old to decide by."""
    made = broker_rows.account(team, book_as_of=now - timedelta(hours=1))
    knows(made.connection, now)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime, account: BrokerageAccount) -> Strategy:
    made = rows.strategy(team, now)
    rows.subscription(made, account, now)
    return made


def signaled(strategy: Strategy, at: datetime, *actions: str, **values: Any) -> list[Signal]:
    return [
        rows.signal(strategy, at, reading=reading(action, quantity=None if action == "exit" else "10"), **values)
        for action in actions
    ]


def settled() -> list[tuple[str, str]]:
    return list(Decision.objects.order_by("pk").values_list("status", "reason_code"))


def fresh(account: BrokerageAccount, at: datetime) -> None:
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=at)


def test_a_later_signal_stands_behind_one_that_waits(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    signaled(strategy, now, "buy")
    settle.settle_waiting(now)
    fresh(account, now)
    # What the first waits for has come, but nobody has looked yet: it is looked at first.
    signaled(strategy, now, "sell")
    settle.settle_waiting(now)
    first, second = Decision.objects.order_by("pk")
    assert (first.status, first.rule) == ("accepted", "D01")
    assert (second.status, second.waiting_for) == ("pending", "the order before it to settle")


def test_what_stands_behind_says_what_the_first_waits_for(strategy: Strategy, now: datetime) -> None:
    signaled(strategy, now, "buy", "sell")
    settle.settle_waiting(now)
    _, second = Decision.objects.order_by("pk")
    assert second.waiting_for == (
        f"the signal of {now:%H:%M:%S} UTC before it, which waits for a fresh look at the account's positions"
    )


def test_an_exit_takes_the_place_of_entries_that_nobody_could_decide(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    signaled(strategy, now, "buy", "buy")
    settle.settle_waiting(now)
    later = now + timedelta(seconds=5)
    signaled(strategy, later, "exit")
    settle.settle_waiting(later)
    assert settled() == [("rejected", "superseded-signal"), ("rejected", "superseded-signal"), ("pending", "")]
    fresh(account, later)
    broker_rows.position(account, quantity=4, as_of=later)
    settle.settle_waiting(later)
    # It leaves what was held before, and no entry follows.
    assert settled()[-1] == ("accepted", "")
    assert [(order.role, order.quantity) for order in Order.objects.all()] == [("exit", Decimal(4))]


def test_an_exit_in_the_same_batch_takes_their_place_too(strategy: Strategy, now: datetime) -> None:
    signaled(strategy, now, "buy", "exit")
    settle.settle_waiting(now)
    assert settled() == [("rejected", "superseded-signal"), ("pending", "")]


def test_an_exit_in_part_waits_for_its_turn(strategy: Strategy, now: datetime) -> None:
    signaled(strategy, now, "buy")
    rows.signal(strategy, now, reading=reading("exit", quantity="3"))
    settle.settle_waiting(now)
    assert settled() == [("pending", ""), ("pending", "")]


def test_an_exit_does_not_end_the_entry_of_another_strategy(
    strategy: Strategy, account: BrokerageAccount, team: Team, now: datetime
) -> None:
    other = rows.strategy(team, now, name="Another")
    rows.subscription(other, account, now)
    signaled(strategy, now, "buy")
    signaled(other, now, "exit")
    settle.settle_waiting(now)
    assert settled() == [("pending", ""), ("pending", "")]


def test_other_accounts_and_instruments_do_not_wait(
    strategy: Strategy, account: BrokerageAccount, team: Team, now: datetime
) -> None:
    second = broker_rows.account(team, book_as_of=now)
    knows(second.connection, now)
    rows.subscription(strategy, second, now)
    signaled(strategy, now, "buy")
    settle.settle_waiting(now)
    by_account = {each.subscription.account_id: each.status for each in Decision.objects.select_related("subscription")}
    assert (by_account[account.pk], by_account[second.pk]) == ("pending", "accepted")


def test_a_test_signal_stands_in_nobodys_way(strategy: Strategy, account: BrokerageAccount, now: datetime) -> None:
    signaled(strategy, now, "buy", is_test=True)
    settle.settle_waiting(now)
    signaled(strategy, now, "sell")
    settle.settle_waiting(now)
    waiting = Decision.objects.order_by("pk").values_list("waiting_for", flat=True)
    assert set(waiting) == {"a fresh look at the account's positions"}


def test_who_cannot_be_decided_does_not_stand_before_another_team(
    strategy: Strategy, account: BrokerageAccount, charlie: User, now: datetime
) -> None:
    signaled(strategy, now, *["buy"] * 3)
    settle.settle_waiting(now, batch=2)
    other = teams.found_team(owner=charlie, name="Others", now=now)
    theirs = broker_rows.account(other, book_as_of=now - timedelta(hours=1))
    knows(theirs.connection, now)
    strange = rows.strategy(other, now, name="Theirs")
    rows.subscription(strange, theirs, now)
    signal = signaled(strange, now, "buy")[0]
    settle.settle_waiting(now, batch=2)
    fresh(theirs, now)
    # Three of the first team wait before it, more than fit into a batch.
    settle.settle_waiting(now, batch=2)
    assert signal.decisions.get().status == "accepted"
