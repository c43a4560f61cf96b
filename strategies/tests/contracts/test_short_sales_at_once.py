"""Short sales and flips are decided at once, by the word on borrowing at hand; where none is known, it is asked for beside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts.models import Team
from brokers.book import quotes
from brokers.domain.market.quotes import Quote
from brokers.models import BrokerageAccount, ContractLookup, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_a_signal_to_many_accounts_locks_nothing_that_they_share(
    team: Team, strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    """Their lane writes what it knows of the contract while the turn that decides for all of them is still open."""
    for _ in range(50):
        another = broker_rows.account(team, of=account.connection, book_as_of=now, equity=Decimal(100000))
        rows.subscription(strategy, another, now, allow_swap=True)
    rows.signal(strategy, now, reading=reading("sell"))
    quote = Quote(bid=Decimal(99), ask=Decimal(101), last=Decimal(100), as_of=now)
    with transaction.atomic():
        while settle.settle_waiting(now):
            pass
        assert Decision.objects.filter(status="accepted").count() == 51
        with ThreadPoolExecutor(1) as lane:
            lane.submit(_answer, ContractLookup.objects.get(), quote, now).result()
        assert ContractLookup.objects.get().borrow_wanted_at is None
    lookup = ContractLookup.objects.get()
    assert (lookup.borrow_wanted_at, lookup.last) == (now, Decimal(100))


def test_a_quote_that_many_accounts_wait_for_is_wanted_behind_their_turn(
    team: Team, account: BrokerageAccount, now: datetime
) -> None:
    strategy = rows.strategy(team, now, name="Picky")
    for each in (account, *(broker_rows.account(team, of=account.connection, book_as_of=now) for _ in range(50))):
        rows.subscription(strategy, each, now, spread_percent=Decimal(1))
    rows.signal(strategy, now)
    quote = Quote(bid=Decimal(99), ask=Decimal(101), last=Decimal(100), as_of=now - timedelta(hours=1))
    with transaction.atomic():
        while settle.settle_waiting(now):
            pass
        assert set(Decision.objects.values_list("waiting_for", flat=True)) == {"a fresh quote of AAPL"}
        with ThreadPoolExecutor(1) as lane:
            lane.submit(_answer, ContractLookup.objects.get(), quote, now).result()
    assert ContractLookup.objects.get().quote_wanted_at == now


def test_what_a_turn_that_fails_wanted_is_not_wanted(strategy: Strategy, now: datetime) -> None:
    with transaction.atomic():
        decided(strategy, now, "sell")
        transaction.set_rollback(True)
    assert ContractLookup.objects.get().borrow_wanted_at is None


def _answer(lookup: ContractLookup, quote: Quote, now: datetime) -> None:
    """As a lane writes it, in a session of its own that waits for no lock."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        quotes.answer(lookup, quote, now)
    finally:
        connection.close()
