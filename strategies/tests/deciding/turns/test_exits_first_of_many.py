"""However much waits, what is a way out is decided before entries of its account: after a night, and after a flood."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Team
from brokers.domain.orders import Role
from brokers.models import BrokerageAccount, ContractLookup, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import backlog, fan_out, settle
from strategies.domain.exits_first import LONGEST, going_first
from strategies.domain.rota import Rota, by_ticker
from strategies.models import Decision, Signal, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

HELD = ("MSFT", "NVDA", "TSLA")
MANY = 220


class Short(Rota):
    """A rota whose turns are over after a batch."""

    ALONE_SECONDS = COMPANY_SECONDS = 0.0

    def size(self, team: int, now: float = 0.0) -> int:
        return self.most


class TestTheOrder:
    waiting = st.lists(st.tuples(st.sampled_from("ABCD"), st.booleans()), max_size=40)

    @given(waiting, st.sets(st.sampled_from("ABCD")))
    def test_a_way_out_goes_first_unless_something_else_of_its_place_stands_before_it(
        self, waiting: list[tuple[str, bool]], behind: set[str]
    ) -> None:
        going = going_first(waiting, behind)
        assert going == sorted(set(going))
        for number, (place, is_way_out) in enumerate(waiting):
            passes = any(each == place and not out for each, out in waiting[:number]) or place in behind
            assert (number in going) is (is_way_out and not passes)

    @given(waiting, st.sets(st.sampled_from("ABCD")))
    def test_within_a_place_the_order_holds(self, waiting: list[tuple[str, bool]], behind: set[str]) -> None:
        going = going_first(waiting, behind)
        order = going + [number for number in range(len(waiting)) if number not in going]
        for place in "ABCD":
            of_it = [number for number in order if waiting[number][0] == place]
            assert of_it == sorted(of_it)

    @given(waiting, st.integers(0, 50))
    def test_a_turn_takes_ways_out_first_and_leaves_a_share_to_the_rest(
        self, waiting: list[tuple[str, bool]], most: int
    ) -> None:
        first = going_first(waiting)
        taken = by_ticker([(number, place) for number, (place, _) in enumerate(waiting)], most, first)
        assert len(taken) == len(set(taken)) == min(most, len(waiting))
        for place in "ABCD":
            of_it = [number for number in taken if waiting[number][0] == place]
            assert of_it == [number for number, each in enumerate(waiting) if each[0] == place][: len(of_it)]
        share = most - most // 4
        assert set(taken[: min(share, len(first))]) <= set(first)
        if most >= 16:
            assert {waiting[number][0] for number in taken} == {place for place, _ in waiting}


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """An account that holds three shares, whose book is too old to decide by."""
    made = broker_rows.account(team, book_as_of=now - timedelta(hours=1))
    knows(made.connection, now)
    for number, ticker in enumerate(HELD):
        knows(made.connection, now, ticker, 1000 + number)
        broker_rows.position(made, ticker=ticker, conid=1000 + number, quantity=Decimal(5))
    return made


@pytest.fixture
def strategy(team: Team, now: datetime, account: BrokerageAccount) -> Strategy:
    made = rows.strategy(team, now)
    rows.subscription(made, account, now, entry_time_to_live_seconds=300, allow_add=True)
    return made


def came(strategy: Strategy, at: datetime, action: str, ticker: str, quantity: str | None = "1") -> Signal:
    return rows.signal(strategy, at, reading=reading(action, ticker, quantity))


def entries(strategy: Strategy, account: BrokerageAccount, now: datetime, count: int) -> None:
    """Entries in as many instruments."""
    for number in range(count):
        knows(account.connection, now, f"E{number}", 5000 + number)
        came(strategy, now, "buy", f"E{number}")


def fresh(at: datetime) -> datetime:
    BrokerageAccount.objects.update(book_as_of=at)
    return at


@contextmanager
def leaving() -> Iterator[list[tuple[str, str]]]:
    """Role and ticker of the orders as they could leave: those of one transaction at once, its ways out first."""
    left: list[tuple[str, str]] = []
    seen: set[int] = set()

    def look(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        done = execute(sql, params, many, context)
        if sql.startswith("RELEASE SAVEPOINT"):
            orders = Order.objects.exclude(pk__in=seen).order_by("pk")
            new = sorted(orders, key=lambda order: order.role != str(Role.EXIT))
            seen.update(order.pk for order in new)
            left.extend((order.role, order.ticker) for order in new)
        return done

    with connection.execute_wrapper(look):
        yield left


def settle_all(now: datetime, rota: Rota) -> None:
    while settle.settle_waiting(now, rota=rota) or rota.has_more():
        pass


def first_entry(left: list[tuple[str, str]]) -> int:
    return [role for role, _ in left].index("entry")


@pytest.mark.django_db
class TestPendingDecisions:
    @pytest.mark.parametrize("rota", [Rota(bounded=False), Short()], ids=["whole", "short turns"])
    def test_ways_out_that_came_last_leave_before_entries_that_came_first(
        self, strategy: Strategy, account: BrokerageAccount, now: datetime, rota: Rota
    ) -> None:
        entries(strategy, account, now, MANY)
        came(strategy, now, "exit", "MSFT", None)
        came(strategy, now, "sell", "NVDA", "5")
        came(strategy, now, "reverse", "TSLA", "2")
        settle_all(now, Rota(bounded=False))
        assert Decision.objects.filter(status="pending").count() == MANY + 3
        later = fresh(now + timedelta(seconds=1))
        with leaving() as left:
            settle.settle_waiting(later, rota=rota)
            while rota.has_more():
                settle.settle_waiting(later, rota=rota)
        assert {ticker for _, ticker in left[: first_entry(left)]} == set(HELD)
        assert len([role for role, _ in left if role == "entry"]) >= MANY
        assert not Decision.objects.filter(status="pending").exists(), "no entry had to wait for its turn"

    def test_an_exit_does_not_pass_the_entry_that_it_closes(
        self, strategy: Strategy, account: BrokerageAccount, team: Team, now: datetime
    ) -> None:
        other = rows.strategy(team, now, name="Another")
        rows.subscription(other, account, now, entry_time_to_live_seconds=300)
        came(strategy, now, "add", "MSFT", "3")
        entries(strategy, account, now, MANY)
        came(other, now, "exit", "MSFT", None)
        came(strategy, now, "exit", "NVDA", None)
        settle_all(now, Rota(bounded=False))
        later = fresh(now + timedelta(seconds=1))
        with leaving() as left:
            settle_all(later, Short())
        assert left[0] == ("exit", "NVDA")
        assert left[1] == ("entry", "MSFT")
        assert (
            Decision.objects.get(signal__action="exit", signal__ticker="MSFT").waiting_for
            == "the order before it to settle"
        )

    def test_nobody_starves_behind_ways_out_that_cannot_be_decided(
        self, strategy: Strategy, account: BrokerageAccount, team: Team, now: datetime
    ) -> None:
        """A hundred and more whose contracts IBKR does not answer: another account's entry is reached all the same."""
        for number in range(120):
            came(strategy, now, "exit", f"X{number}", None)
        theirs = broker_rows.account(team, book_as_of=now - timedelta(hours=1))
        knows(theirs.connection, now)
        source = rows.strategy(team, now, name="Another")
        rows.subscription(source, theirs, now, entry_time_to_live_seconds=300)
        came(source, now, "buy", "AAPL")
        settle_all(now, Rota(bounded=False))
        assert Decision.objects.filter(way_out="first").count() == 120
        rota, turns = Short(), 0
        later = fresh(now + timedelta(seconds=1))
        while not Order.objects.exists():
            turns += 1
            assert turns <= 4, "two batches of ways out and one of the rest"
            settle.settle_waiting(later, rota=rota)

    def test_a_new_entry_waits_for_a_way_out_that_has_not_been_looked_at_again(
        self, strategy: Strategy, account: BrokerageAccount, now: datetime
    ) -> None:
        """Its contract was answered a moment ago: it only waits for its turn, which comes with the next look."""
        ContractLookup.objects.filter(ticker="MSFT").update(status="wanted", asked_at=now)
        fresh(now)
        came(strategy, now, "exit", "MSFT", None)
        settle.settle_waiting(now)
        exit_ = Decision.objects.get()
        assert (exit_.status, exit_.way_out) == ("pending", "first")
        ContractLookup.objects.filter(ticker="MSFT").update(status="found")
        came(strategy, now, "buy", "AAPL")
        with transaction.atomic():
            fan_out.settle_signals(strategy.team_id, lambda: now, 100)
        entry = Decision.objects.get(signal__action="buy")
        assert entry.waiting_for == f"the exit of MSFT of {now:%H:%M:%S} UTC, which waits for its turn"
        settle.settle_waiting(now)
        assert set(Decision.objects.values_list("status", "way_out")) == {("accepted", "")}

    def test_it_waits_for_its_turn_no_longer_than_for_an_answer(
        self, strategy: Strategy, account: BrokerageAccount, now: datetime
    ) -> None:
        ContractLookup.objects.filter(ticker="MSFT").update(status="wanted", asked_at=now)
        fresh(now)
        came(strategy, now, "exit", "MSFT", None)
        settle.settle_waiting(now)
        ContractLookup.objects.filter(ticker="MSFT").update(status="found")
        came(strategy, now, "buy", "AAPL")
        later = fresh(now + LONGEST)
        fan_out.settle_signals(strategy.team_id, lambda: later, 100)
        entry = Decision.objects.get(signal__action="buy")
        assert entry.status == "accepted"
        assert entry.reason.endswith("which waits for its turn.")


@pytest.mark.django_db
class TestWaitingSignals:
    """Signals that nobody has handed out yet, after an outage of Halyard itself."""

    def test_ways_out_by_their_words_are_handed_out_first(
        self, strategy: Strategy, account: BrokerageAccount, now: datetime
    ) -> None:
        entries(strategy, account, now, MANY)
        came(strategy, now, "exit", "MSFT", None)
        rows.signal(strategy, now, reading={**reading("sell", "NVDA", "5"), "sentiment": "flat"})
        rows.signal(strategy, now, reading={**reading("sell", "TSLA"), "target_quantity": "0"})
        fresh(now)
        with leaving() as left:
            settle.settle_waiting(now, rota=Short())
        assert {ticker for _, ticker in left[: first_entry(left)]} == set(HELD)

    def test_so_are_sales_that_close_only_because_of_what_is_held(
        self, strategy: Strategy, account: BrokerageAccount, now: datetime
    ) -> None:
        entries(strategy, account, now, MANY)
        account.positions.filter(ticker="TSLA").update(quantity=-5)
        for action, ticker in (("sell", "MSFT"), ("reverse", "NVDA"), ("buy", "TSLA")):
            came(strategy, now, action, ticker, "5")
        fresh(now)
        with leaving() as left:
            settle.settle_waiting(now, rota=Short())
        assert {ticker for _, ticker in left[: first_entry(left)]} == set(HELD)

    def test_what_no_account_holds_or_what_adds_to_it_is_none(
        self, strategy: Strategy, account: BrokerageAccount, now: datetime
    ) -> None:
        entries(strategy, account, now, MANY)
        for action, ticker in (("buy", "MSFT"), ("add", "NVDA"), ("sell", "AAPL")):
            came(strategy, now, action, ticker, "5")
        # Held under another strategy's account: nothing of this one.
        theirs = broker_rows.account(strategy.team, book_as_of=now)
        knows(theirs.connection, now)
        broker_rows.position(theirs, quantity=Decimal(5))
        waiting = backlog.oldest(Signal.objects.filter(dispatched_at=None).order_by("pk"))
        held = backlog.Held({(each.strategy, each.ticker) for each in waiting})
        assert not any(held.is_way_out(each.strategy, each.ticker, each.words) for each in waiting)

    def test_so_are_they_where_each_goes_to_many_accounts(self, strategy: Strategy, team: Team, now: datetime) -> None:
        for _ in range(3):
            theirs = broker_rows.account(team, book_as_of=now)
            knows(theirs.connection, now)
            knows(theirs.connection, now, "MSFT", 1000)
            broker_rows.position(theirs, ticker="MSFT", conid=1000, quantity=Decimal(5))
            rows.subscription(strategy, theirs, now)
        fresh(now)
        came(strategy, now, "buy", "AAPL")
        came(strategy, now, "exit", "MSFT", None)
        settle.settle_waiting(now, rota=Short(most=4))
        assert list(Order.objects.values_list("role", "ticker").distinct()) == [("exit", "MSFT")]

    def test_an_exit_stays_behind_an_entry_of_its_ticker(
        self, strategy: Strategy, account: BrokerageAccount, now: datetime
    ) -> None:
        entries(strategy, account, now, 3)
        exit_ = came(strategy, now, "exit", "E0", None)
        fresh(now)
        settle.settle_waiting(now, rota=Short(most=2))
        assert not Decision.objects.filter(signal=exit_).exists()
