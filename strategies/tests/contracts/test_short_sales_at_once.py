"""Short sales and flips are decided at once, by the word on borrowing at hand; where none is known, it is asked for beside."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, ContractLookup, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    account = broker_rows.account(team, book_as_of=now, equity=Decimal(100000))
    knows(account.connection, now)
    return account


@pytest.fixture
def strategy(team: Team, now: datetime, account: BrokerageAccount) -> Strategy:
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, account, now, allow_swap=True)
    return strategy


def decided(strategy: Strategy, now: datetime, action: str) -> Decision:
    """What one look makes of a signal, while no lane works: nothing can have answered."""
    signal = rows.signal(strategy, now, reading=reading(action))
    settle.settle_waiting(now)
    decision = Decision.objects.get(signal=signal)
    assert decision.status == "accepted", (decision.waiting_for, decision.reason)
    return decision


def notes(decision: Decision) -> str:
    assert decision.inputs is not None
    return " ".join(note for each in decision.inputs["assessment"] for note in each["notes"])


def told(shares: int, at: datetime) -> None:
    word = {"as_of": at.isoformat(), "shares": str(shares), "rate": None, "none": False}
    ContractLookup.objects.update(borrow=word, borrow_answered_at=at)


def test_a_short_sale_leaves_without_a_word_which_is_wanted_beside(strategy: Strategy, now: datetime) -> None:
    decision = decided(strategy, now, "sell")
    assert "borrow" not in notes(decision)
    lookup = ContractLookup.objects.get()
    assert (lookup.borrow_wanted_at, lookup.quote_wanted_at) == (now, None)


def test_a_flip_leaves_with_its_way_out_without_a_word(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    broker_rows.position(account, quantity=Decimal(10), as_of=now)
    decided(strategy, now, "sell")
    assert sorted(Order.objects.values_list("role", flat=True)) == ["entry", "exit"]
    lookup = ContractLookup.objects.get()
    assert (lookup.borrow_wanted_at, lookup.quote_wanted_at) == (now, None)


def test_the_word_at_hand_is_noted_and_not_asked_for_again(strategy: Strategy, now: datetime) -> None:
    told(4, now - timedelta(minutes=10))
    decision = decided(strategy, now, "sell")
    assert "4 shares of AAPL can be borrowed now, and this sells 10 short" in notes(decision)
    assert ContractLookup.objects.get().borrow_wanted_at is None


def test_an_old_word_is_not_noted_and_asked_for_again(strategy: Strategy, now: datetime) -> None:
    told(4, now - timedelta(minutes=16))
    assert "borrow" not in notes(decided(strategy, now, "sell"))
    assert ContractLookup.objects.get().borrow_wanted_at == now


def test_a_purchase_wants_no_word(strategy: Strategy, now: datetime) -> None:
    decided(strategy, now, "buy")
    assert ContractLookup.objects.get().borrow_wanted_at is None
