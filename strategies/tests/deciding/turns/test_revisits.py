"""Which decisions that wait are looked at again: those of whose connection something was told, and each of them once a second."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Team
from brokers.book import contracts, looks, previews, quotes, rates, replacing
from brokers.models import BrokerageAccount, ExchangeRate, MarginPreview, Order, Ticket
from brokers.orders import resizes, tickets
from brokers.postgres.locks import direct_parameters
from brokers.postgres.notices import DECISIONS_CHANNEL, WORK
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.domain import revisits as module
from strategies.domain.revisits import EVERY_SECONDS, Look, Revisits, Seen
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading


def some(*connections: int) -> frozenset[int]:
    return frozenset(connections)


def seen(*waiting: int, taken: frozenset[int] = frozenset()) -> Seen:
    return Seen(some(*waiting), taken)


def whole(began: float) -> Look:
    """A look at all that waits, however far behind others."""
    return Look(began, deep=True)


class TestWhatIsDue:
    def test_a_team_that_nobody_has_looked_at_is_looked_at_as_a_whole(self) -> None:
        assert Revisits().due(1, 5.0) == whole(5.0)

    def test_only_connections_that_wait_and_were_told_of_since_are_looked_at(self) -> None:
        revisits = Revisits()
        revisits.looked(1, whole(5.0), seen(10, 11, 12), 5.1)
        assert revisits.due(1, 5.2) is None
        revisits.told([11, 12, 99], 5.3)
        assert revisits.due(1, 5.4) == Look(5.4, some(11, 12))
        revisits.looked(1, Look(5.4, some(11, 12)), seen(12), 5.5)
        assert revisits.due(1, 5.6) is None
        assert [revisits.awaited(some(each)) for each in (10, 11, 12)] == [True, False, True]

    def test_what_is_told_while_a_turn_is_under_way_is_looked_at_behind_it(self) -> None:
        revisits = Revisits()
        revisits.told([10], 5.05)
        revisits.looked(1, whole(5.0), seen(10), 5.1)
        assert revisits.due(1, 5.2) == Look(5.2, some(10))

    def test_whoever_names_nobody_means_all(self) -> None:
        revisits = Revisits()
        revisits.looked(1, whole(5.0), seen(10, 11), 5.1)
        revisits.told(None, 5.2)
        assert revisits.due(1, 5.3) == Look(5.3)

    def test_without_a_word_all_are_looked_at_once_a_second(self) -> None:
        revisits = Revisits()
        revisits.looked(1, whole(5.0), seen(10), 5.1)
        revisits.looked(1, Look(5.5, some(10)), seen(10), 5.6)
        assert revisits.due(1, 5.0 + EVERY_SECONDS - 0.01) is None
        assert revisits.due(1, 5.0 + EVERY_SECONDS) == Look(6.0)
        assert revisits.next_at(lambda team: 0.0) == 6.0
        assert revisits.next_at(lambda team: 7.5) == 7.5, "a team that rests is looked at when it has rested"

    def test_what_a_turn_takes_may_let_something_else_of_its_connection_pass(self) -> None:
        revisits = Revisits()
        revisits.looked(1, whole(5.0), seen(10, 11), 5.1)
        revisits.looked(1, None, seen(taken=some(10, 12)), 5.2)
        assert revisits.due(1, 5.3) == Look(5.3, some(10))

    def test_the_ends_of_long_lines_are_looked_at_rarely_and_the_more_so_the_longer_it_takes(self) -> None:
        revisits = Revisits()
        revisits.looked(1, whole(5.0), seen(10), 8.0)
        assert revisits.due(1, 9.0) == Look(9.0)
        revisits.looked(1, Look(9.0), seen(10), 9.1)
        assert [revisits.due(1, at) for at in (37.9, 38.0)] == [Look(37.9), whole(38.0)]
        revisits.looked(1, whole(38.0), seen(10), 38.5)
        assert [revisits.due(1, at) for at in (48.4, 48.5)] == [Look(48.4), whole(48.5)]

    def test_a_look_that_takes_several_turns_stays_what_it_is(self) -> None:
        revisits = Revisits()
        revisits.looked(1, whole(5.0), seen(10), 5.1, goes_on=True)
        revisits.told([10], 5.2)
        assert revisits.due(1, 9.0) == whole(5.0)
        revisits.looked(1, whole(5.0), seen(11), 9.1)
        assert revisits.due(1, 5.5) == Look(5.5, some(10)), "it was told of when the look had begun"
        assert revisits.due(1, 9.2) == Look(9.2), "the whole was last looked at when this look began"

    def test_where_nothing_waits_any_more_nothing_is_due(self) -> None:
        revisits = Revisits()
        revisits.looked(1, whole(5.0), seen(10), 5.1, goes_on=True)
        revisits.keep([2])
        assert not revisits.awaited(some(10))
        assert revisits.due(1, 5.15) == whole(5.15), "what goes on no more is begun anew"
        assert revisits.next_at(lambda team: 0.0) == math.inf
        revisits.looked(1, whole(5.2), seen(10), 5.3)
        revisits.forget(1)
        assert revisits.due(1, 5.4) == whole(5.4)

    def test_what_is_remembered_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_TOLD", 20)
        monkeypatch.setattr(module, "MOST_TEAMS", 20)
        revisits = Revisits()
        for number in range(200):
            revisits.told([number], float(number))
            revisits.looked(number, whole(float(number)), seen(*[1] * (number == 7)), float(number))
        assert len(revisits._told) <= 21
        assert len(revisits._teams) <= 21
        assert revisits.awaited(some(1))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 3)),
        st.tuples(st.just("turn"), st.integers(0, 3)),
        st.tuples(st.just("pass"), st.sampled_from([1, 3, 12])),
    ),
    max_size=40,
)


@given(steps)
@settings(max_examples=150)
def test_no_change_is_missed_and_nothing_waits_longer_than_a_second(steps: list[tuple[str, int]]) -> None:
    """`looked`: when the decisions of each connection that wait were last looked at, by a clock of tenths of a second."""
    revisits, now = Revisits(), 0.0
    looked: dict[int, float] = {}
    changed: dict[int, float] = {}
    for what, number in steps:
        if what == "change":
            now += 0.001
            changed[number] = now
            revisits.told([number], now)
        elif what == "pass":
            now += number / 10
        else:
            now += 0.001
            look = revisits.due(1, now) if looked else whole(now)
            at = set() if look is None else set(looked) if look.of is None else look.of & set(looked)
            for each, last in looked.items():
                if each not in at:
                    assert changed.get(each, -math.inf) < last, f"{each} was told of and not looked at"
                    assert now - last < EVERY_SECONDS + 0.01
            if at and look is not None and look.of is not None:
                assert at <= set(changed), "without a word nothing is looked at"
            looked |= dict.fromkeys(at, now)
            # Its signals leave another decision waiting.
            looked[number] = now
            revisits.looked(1, look, Seen(frozenset(at | {number})), now)


@pytest.fixture
def strategy(team: Team, now: datetime) -> Strategy:
    """A strategy of two accounts, each with its own connection, whose books are too old to decide by."""
    made = rows.strategy(team, now)
    for _ in range(2):
        account = broker_rows.account(team, book_as_of=now - timedelta(hours=1))
        knows(account.connection, now)
        rows.subscription(made, account, now)
    return made


@pytest.mark.django_db
class TestTheDrain:
    def send(self, strategy: Strategy, now: datetime, action: str = "buy") -> None:
        rows.signal(strategy, now, reading=reading(action, quantity="1"))

    def waiting(self) -> set[int]:
        rows = Decision.objects.filter(status="pending")
        return set(rows.values_list("subscription__account__connection", flat=True))

    def test_only_what_was_told_of_is_decided_before_a_second_has_passed(
        self, strategy: Strategy, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revisits = Revisits()
        self.send(strategy, now)
        settle.settle_waiting(now, revisits=revisits)
        first, second = sorted(self.waiting())
        BrokerageAccount.objects.update(book_as_of=now)
        with CaptureQueriesContext(connection) as queries:
            assert settle.settle_waiting(now, revisits=revisits) == 0
        assert len(queries) == 1, "the look at who has work"
        revisits.told([second], time.monotonic())
        assert settle.settle_waiting(now, revisits=revisits) == 1
        assert self.waiting() == {first}
        monkeypatch.setattr(module, "EVERY_SECONDS", 0.0)
        assert settle.settle_waiting(now, revisits=revisits) == 1
        assert self.waiting() == set()

    def test_a_new_signal_stands_behind_what_waits_although_that_is_not_looked_at(
        self, strategy: Strategy, now: datetime
    ) -> None:
        revisits = Revisits()
        self.send(strategy, now)
        settle.settle_waiting(now, revisits=revisits)
        BrokerageAccount.objects.update(book_as_of=now)
        self.send(strategy, now)
        assert settle.settle_waiting(now, revisits=revisits) == 1
        behind = Decision.objects.filter(signal=strategy.signals.latest("pk"))
        assert {each.waiting_for.split(",")[-1] for each in behind} == {
            " which waits for a fresh look at the account's positions"
        }
        revisits.told(self.waiting(), time.monotonic())
        settle.settle_waiting(now, revisits=revisits)
        orders = Order.objects.order_by("account", "pk").values_list("account", "ticket__decision__signal")
        assert list(orders) == sorted(orders), "in each account in the order they came"

    def test_a_full_exit_that_takes_the_place_of_an_entry_is_looked_at_no_more_often_than_that(
        self, strategy: Strategy, now: datetime
    ) -> None:
        revisits = Revisits()
        self.send(strategy, now)
        settle.settle_waiting(now, revisits=revisits)
        rows.signal(strategy, now, reading=reading("exit", quantity=None))
        BrokerageAccount.objects.update(book_as_of=now)
        assert settle.settle_waiting(now, revisits=revisits) == 1
        assert self.waiting() == set(), "the entries that it overtakes were ended with it"

    def test_a_plan_that_no_longer_fits_is_made_again_at_once(self, strategy: Strategy, now: datetime) -> None:
        revisits = Revisits()
        BrokerageAccount.objects.update(book_as_of=now)
        self.send(strategy, now)
        settle.settle_waiting(now, revisits=revisits)
        ticket = Ticket.objects.order_by("pk").first()
        assert ticket is not None
        tickets.end_plan(ticket, "Not sent: something had filled.", now)
        settle.settle_waiting(now, revisits=revisits)
        again = Decision.objects.get(attempt=2)
        assert (again.status, again.subscription.account.connection_id) == ("accepted", ticket.connection_id)

    def test_what_fails_is_looked_at_as_a_whole_the_next_time(
        self, strategy: Strategy, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revisits = Revisits()
        self.send(strategy, now)
        settle.settle_waiting(now, revisits=revisits)

        def fails(*_: object, **__: object) -> Any:
            raise RuntimeError("a fault")

        monkeypatch.setattr(settle, "settle_pending", fails)
        revisits.told(self.waiting(), time.monotonic())
        settle.settle_waiting(now, revisits=revisits)
        monkeypatch.undo()
        BrokerageAccount.objects.update(book_as_of=now)
        assert settle.settle_waiting(now, revisits=revisits) == 2


@pytest.mark.django_db
class TestWhoTellsNamesTheConnection:
    @pytest.fixture
    def account(self, team: Team, now: datetime) -> BrokerageAccount:
        return broker_rows.account(team, book_as_of=now)

    def told(self, act: Any) -> list[str]:
        """What an act tells the decisions."""
        payloads = []

        def listen(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
            if "pg_notify" in sql and "halyard_decisions" in params:
                payloads.append(params[list(params).index("halyard_decisions") + 1])
            return execute(sql, params, many, context)

        with connection.execute_wrapper(listen):
            act()
        return payloads

    def test_answers_about_a_contract_its_quote_and_a_rate(self, account: BrokerageAccount, now: datetime) -> None:
        lookup, key = knows(account.connection, now), str(account.connection_id)
        rate = ExchangeRate.objects.create(connection=account.connection, source="EUR", target="USD", wanted_at=now)
        assert self.told(lambda: contracts.answer(lookup, now=now)) == [key]
        assert self.told(lambda: quotes.answer(lookup, None, now)) == [key]
        assert self.told(lambda: rates.answer(rate, Decimal("1.1"), now)) == [key]

    def test_the_end_of_a_preview(self, account: BrokerageAccount, now: datetime) -> None:
        row = MarginPreview.objects.create(
            account=account, conid=1, side="buy", quantity=Decimal(1), wanted_at=now - timedelta(seconds=1)
        )
        key = str(account.connection_id)
        assert self.told(lambda: previews.withdraw([(account.pk, 1)], now)) == [key]
        assert self.told(lambda: previews.withdraw([(account.pk, 1)], now)) == [], "nothing waited any more"
        assert self.told(lambda: previews.answer(row, None, now)) == [key]

    def test_a_look_at_the_account(self, account: BrokerageAccount) -> None:
        key = str(account.connection_id)
        assert self.told(lambda: looks.answered(account)) == [key]
        assert self.told(lambda: looks.brought_home(account, "another")) == [key]

    def test_an_order_that_was_made_smaller(self, account: BrokerageAccount, now: datetime) -> None:
        order = broker_rows.order(account)
        assert self.told(lambda: resizes._shrink(order, order.quantity, now)) == [str(account.connection_id)]

    def test_a_plan_that_ends_is_more_than_something_to_look_at(self, account: BrokerageAccount, now: datetime) -> None:
        order = broker_rows.order(account)
        assert self.told(lambda: tickets.end_plan(order.ticket, "Not sent.", now)) == [f"{WORK}{account.connection_id}"]


@pytest.mark.django_db(transaction=True)
def test_a_book_that_is_read_names_its_connection(team: Team, now: datetime) -> None:
    account = broker_rows.account(team, book_as_of=now)
    with psycopg.connect(**direct_parameters()) as session:
        session.execute(f"LISTEN {DECISIONS_CHANNEL}")
        session.commit()
        replacing.replace(account, [], {}, {"book_as_of": now}, None)
        heard = list(session.notifies(timeout=20, stop_after=1))
    assert [notice.payload for notice in heard] == [str(account.connection_id)]
