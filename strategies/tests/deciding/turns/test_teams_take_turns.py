"""Teams take turns: what one has waiting, however much it is, does not stand before what another sends."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import teams
from accounts.models import Team, User
from brokers.models import BrokerageAccount
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.domain import rota as rota_module
from strategies.domain.rota import Rota
from strategies.models import Decision, Signal, Strategy, Subscription
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db


class OneBatch(Rota):
    """A rota whose turns are over after a batch."""

    ALONE_SECONDS = COMPANY_SECONDS = 0.0

    def size(self, team: int, now: float = 0.0) -> int:
        return self.most


@pytest.fixture(autouse=True)
def no_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teams that waited for the clock of this machine would be passed by now and then."""
    monkeypatch.setattr(rota_module, "LONGEST_REST", 0.0)


def followed(team: Team, now: datetime, accounts: int = 1, *, known: bool = True) -> Strategy:
    """A strategy with so many accounts; where they are not `known`, their books are too old to decide by."""
    made = rows.strategy(team, now, name=f"Of {team.name}")
    for _ in range(accounts):
        account = broker_rows.account(team, book_as_of=now if known else now - timedelta(hours=1))
        knows(account.connection, now)
        rows.subscription(made, account, now)
    return made


def signals(strategy: Strategy, now: datetime, count: int) -> list[Signal]:
    return [rows.signal(strategy, now, reading=reading("buy", quantity="1")) for _ in range(count)]


@pytest.fixture
def mine(team: Team, now: datetime) -> Strategy:
    return followed(team, now)


@pytest.fixture
def theirs(charlie: User, now: datetime) -> Strategy:
    return followed(teams.found_team(owner=charlie, name="Others", now=now), now)


def decided_of(strategies: Sequence[Strategy]) -> list[int]:
    """The strategies of the decisions, in the order in which these were written."""
    return list(
        Decision.objects.filter(signal__strategy__in=strategies)
        .order_by("pk")
        .values_list("signal__strategy", flat=True)
    )


def test_a_team_with_much_waiting_leaves_the_next_turn_to_another(
    mine: Strategy, theirs: Strategy, now: datetime
) -> None:
    rota = Rota(most=4)
    signals(mine, now, 20)
    settle.settle_waiting(now, rota=rota)
    first = len(decided_of([mine]))
    assert 1 <= first <= 4, "a turn takes no more than it may"
    signals(theirs, now, 1)
    settle.settle_waiting(now, rota=rota)
    order = decided_of([mine, theirs])
    assert order[first] == theirs.pk, "who came last is served next"
    assert mine.pk in order[first + 1 :], "the other's turn came in the same round"
    while settle.settle_waiting(now, rota=rota):
        pass
    assert len(decided_of([mine])) == 20


def test_a_teams_signals_are_decided_in_the_order_they_came(mine: Strategy, now: datetime) -> None:
    came = [signal.pk for signal in signals(mine, now, 9)]
    rota = Rota(most=2)
    while settle.settle_waiting(now, rota=rota):
        pass
    assert list(Decision.objects.order_by("pk").values_list("signal", flat=True)) == came


def test_what_cannot_be_decided_yet_is_looked_at_in_turns_and_all_of_it(
    team: Team, theirs: Strategy, now: datetime
) -> None:
    waiting = followed(team, now, known=False)
    signals(waiting, now, 6)
    settle.settle_waiting(now)
    assert set(Decision.objects.values_list("status", flat=True)) == {"pending"}
    rota = OneBatch(most=2)
    signals(theirs, now, 1)
    settle.settle_waiting(now, rota=rota)
    assert decided_of([theirs]) == [theirs.pk]
    assert rota.has_more(), "the first team's turn ended before its last four"
    BrokerageAccount.objects.filter(subscriptions__strategy=waiting).update(book_as_of=now)
    looks = 0
    while rota.has_more():
        settle.settle_waiting(now, rota=rota)
        looks += 1
    # The first turn had seen two, each look sees two more, and the last finds none behind them.
    assert looks == 3
    settled = list(Decision.objects.filter(signal__strategy=waiting).order_by("pk").values_list("status", flat=True))
    assert settled[:2] == ["accepted", "pending"], "the beginning of a line is looked at in each turn"


def test_a_turn_is_not_kept_open_for_decisions_that_have_ended_meanwhile(team: Team, now: datetime) -> None:
    signals(followed(team, now, known=False), now, 4)
    settle.settle_waiting(now)
    rota = OneBatch(most=2)
    settle.settle_waiting(now, rota=rota)
    assert rota.has_more()
    Decision.objects.update(status="rejected", decided_at=now)
    rows_before = Decision.objects.count()
    settle.settle_waiting(now, rota=rota)
    assert not rota.has_more()
    assert Decision.objects.count() == rows_before


def test_what_waited_for_the_same_moment_is_decided_together_however_short_turns_are(team: Team, now: datetime) -> None:
    """Ways out leave before entries only where neither has left: a lane must not see one without the other."""
    waiting = followed(team, now, known=False)
    signals(waiting, now, 9)
    settle.settle_waiting(now)
    rota = Rota()
    rota.served(-1, 0.0, seconds=9.0, full=True)
    for second in range(5):
        rota.served(team.pk, float(second), seconds=9.0, full=True)
    assert rota.size(team.pk) < 9
    BrokerageAccount.objects.filter(subscriptions__strategy=waiting).update(book_as_of=now)
    with CaptureQueriesContext(connection) as queries:
        settle.settle_waiting(now, rota=rota)
    locked = [
        each["sql"] for each in queries if "FOR UPDATE" in each["sql"] and "\"status\" = 'pending'" in each["sql"]
    ]
    assert len(locked) == 1


def test_what_waited_is_decided_with_as_many_statements_however_many_accounts(
    team: Team, charlie: User, now: datetime
) -> None:
    def statements(of: Team, accounts: int) -> int:
        waiting = followed(of, now, accounts, known=False)
        signals(waiting, now, 1)
        settle.settle_waiting(now)
        BrokerageAccount.objects.filter(subscriptions__strategy=waiting).update(book_as_of=now)
        with CaptureQueriesContext(connection) as queries:
            settle.settle_waiting(now)
        decided = Decision.objects.filter(signal__strategy=waiting).exclude(status="pending").count()
        assert decided == accounts
        return len(queries)

    others = teams.found_team(owner=charlie, name="Others", now=now)
    assert statements(team, 2) == statements(others, 9)


def test_a_team_that_rests_is_passed_by_and_another_is_served_at_once(
    mine: Strategy, theirs: Strategy, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rota_module, "LONGEST_REST", math.inf)
    rota, moment = Rota(), time.monotonic()
    for team in (theirs.team_id, *[mine.team_id] * 9):
        rota.served(team, moment, seconds=0.01, full=True, took=600.0 if team == mine.team_id else 0.01)
    signals(mine, now, 3)
    assert settle.settle_waiting(now, rota=rota) == 0
    assert rota.rests_until == moment + 600.0
    signals(theirs, now, 1)
    assert settle.settle_waiting(now, rota=rota) == 1
    assert decided_of([mine, theirs]) == [theirs.pk]


def test_a_poisonous_signal_of_one_team_costs_another_nothing(mine: Strategy, theirs: Strategy, now: datetime) -> None:
    rows.signal(mine, now, reading={"action": "nonsense"})
    signals(mine, now, 1)
    signals(theirs, now, 1)
    settle.settle_waiting(now, rota=Rota())
    assert decided_of([theirs]) == [theirs.pk]
    assert decided_of([mine]) == [mine.pk]
    assert Signal.objects.filter(dispatched_at=None).count() == 0


class TestAFanOut:
    """A signal to many accounts is handed out in shares, so that others need not wait for all of it."""

    def shares(self, signal: Signal) -> tuple[int, bool]:
        signal.refresh_from_db()
        return signal.decisions.count(), signal.dispatched_at is not None

    def test_it_goes_on_where_it_stood_and_another_team_is_served_meanwhile(
        self, team: Team, theirs: Strategy, now: datetime
    ) -> None:
        wide = followed(team, now, accounts=7)
        signal = signals(wide, now, 1)[0]
        settle.settle_waiting(now, rota=Rota(most=3))
        assert self.shares(signal) == (3, False)
        other = signals(theirs, now, 1)[0]
        # As after a crash: the next drain has a rota of its own.
        settle.settle_waiting(now, rota=Rota(most=3))
        assert self.shares(signal) == (6, False)
        assert self.shares(other) == (1, True)
        settle.settle_waiting(now, rota=Rota(most=3))
        assert self.shares(signal) == (7, True)
        decided = list(signal.decisions.values_list("subscription", flat=True))
        assert sorted(decided) == sorted(wide.subscriptions.values_list("pk", flat=True))

    def test_a_later_signal_waits_until_all_have_the_first(self, team: Team, now: datetime) -> None:
        wide = followed(team, now, accounts=4)
        first, second = signals(wide, now, 2)
        rota = Rota(most=3)
        settle.settle_waiting(now, rota=rota)
        assert (self.shares(first), self.shares(second)) == ((3, False), (0, False))
        while settle.settle_waiting(now, rota=rota):
            pass
        assert (self.shares(first), self.shares(second)) == ((4, True), (4, True))
        assert (
            list(Decision.objects.order_by("pk").values_list("signal", flat=True)) == [first.pk] * 4 + [second.pk] * 4
        )

    def test_who_is_switched_off_meanwhile_gets_nothing_and_who_is_switched_on_does(
        self, team: Team, now: datetime
    ) -> None:
        wide = followed(team, now, accounts=6)
        followers = list(wide.subscriptions.order_by("pk"))
        Subscription.objects.filter(pk=followers[5].pk).update(enabled=False)
        signal = signals(wide, now, 1)[0]
        settle.settle_waiting(now, rota=Rota(most=3))
        Subscription.objects.filter(pk__in=[followers[0].pk, followers[3].pk]).update(enabled=False)
        Subscription.objects.filter(pk=followers[5].pk).update(enabled=True)
        settle.settle_waiting(now, rota=Rota(most=3))
        decided = set(signal.decisions.values_list("subscription", flat=True))
        assert decided == {followers[n].pk for n in (0, 1, 2, 4, 5)}
        assert self.shares(signal) == (5, True)

    def test_nobody_is_left_when_all_others_are_switched_off(self, team: Team, now: datetime) -> None:
        wide = followed(team, now, accounts=4)
        signal = signals(wide, now, 1)[0]
        settle.settle_waiting(now, rota=Rota(most=3))
        wide.subscriptions.update(enabled=False)
        settle.settle_waiting(now, rota=Rota(most=3))
        assert self.shares(signal) == (3, True)


def test_turns_that_go_on_with_one_signal_are_known_from_those_that_begin_one(team: Team, now: datetime) -> None:
    class Noting(OneBatch):
        def served(self, team: int, now: float, **turn: Any) -> None:
            began.append(not turn["goes_on"])
            super().served(team, now, **turn)

    began: list[bool] = []
    signals(followed(team, now, accounts=10), now, 2)
    rota = Noting(most=4)
    while settle.settle_waiting(now, rota=rota):
        pass
    # The last turn has a look at the second signal's decisions, which wait for what came of the first one.
    assert began == [True, False, False, True, False, False, True]
