"""What waits in one ticker, however much, stands before no other: in the drain, and in the lane of a connection."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Team
from brokers.domain.orders import Rounds
from brokers.models import BrokerageAccount
from brokers.orders import execution
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.domain.rota import Rota, by_ticker
from strategies.models import Decision, Signal, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

TICKERS = st.lists(st.sampled_from("ABCD"), max_size=40)


class OfFour(Rota):
    """A rota whose turns take four signals, and are over then."""

    ALONE_SECONDS = COMPANY_SECONDS = 0.0

    def size(self, team: int, now: float = 0.0) -> int:
        return 4


@given(TICKERS, st.integers(0, 50))
def test_a_turn_takes_as_many_as_it_may_and_keeps_the_order_within_each_ticker(tickers: list[str], most: int) -> None:
    waiting = list(enumerate(tickers))
    taken = by_ticker(waiting, most)
    assert len(taken) == len(set(taken)) == min(most, len(waiting))
    for ticker in set(tickers):
        of_it = [key for key, each in waiting if each == ticker]
        mine = [key for key in taken if tickers[key] == ticker]
        assert mine == of_it[: len(mine)]


@given(TICKERS, st.integers(1, 50))
def test_no_ticker_has_two_more_than_another_that_still_waits(tickers: list[str], most: int) -> None:
    taken = by_ticker(list(enumerate(tickers)), most)
    counts = {ticker: sum(tickers[key] == ticker for key in taken) for ticker in set(tickers)}
    still_waiting = [ticker for ticker in counts if counts[ticker] < tickers.count(ticker)]
    for ticker in still_waiting:
        assert max(counts.values()) <= counts[ticker] + 1


@given(st.lists(st.integers(1, 4), max_size=60))
def test_no_contract_leaves_twice_before_another_that_waits(waiting: list[int]) -> None:
    rounds, places = Rounds(), sorted(set(waiting))
    served: list[int] = []
    for _ in range(3 * len(places)):
        left = rounds.left()
        following = min(places, key=lambda conid: (left.index(f"7:{conid}") + 1 if f"7:{conid}" in left else 0, conid))
        rounds.leave(7, following)
        served.append(following)
    assert served == places * 3


def test_what_a_lane_remembers_is_bounded() -> None:
    rounds = Rounds()
    for conid in range(Rounds.MOST + 5):
        rounds.leave(7, conid)
    assert len(rounds.left()) == Rounds.MOST
    assert rounds.left()[-1] == f"7:{Rounds.MOST + 4}"


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=now)
    knows(made.connection, now)
    knows(made.connection, now, "MSFT", 272093)
    return made


def backlog(team: Team, account: BrokerageAccount, now: datetime) -> tuple[Strategy, list[Signal]]:
    """Ten signals in one ticker, then one in another."""
    strategy = rows.strategy(team, now)
    rows.subscription(strategy, account, now, allow_add=True)
    waiting = [rows.signal(strategy, now, reading=reading("buy", "AAPL", "1")) for _ in range(10)]
    return strategy, [*waiting, rows.signal(strategy, now, reading=reading("buy", "MSFT", "1"))]


@pytest.mark.django_db
def test_a_backlog_in_one_ticker_does_not_stand_before_a_signal_in_another(
    team: Team, account: BrokerageAccount, now: datetime
) -> None:
    _, signals = backlog(team, account, now)
    settle.settle_waiting(now, rota=OfFour())
    decided = list(Decision.objects.order_by("pk").values_list("signal", flat=True))
    assert decided == [*(signal.pk for signal in signals[:3]), signals[-1].pk]


@pytest.mark.django_db
def test_a_signal_that_was_handed_out_in_part_goes_on_alone(
    team: Team, account: BrokerageAccount, now: datetime
) -> None:
    """Whatever its ticker: together with others it would be decided anew for all of its subscriptions."""
    strategy, signals = backlog(team, account, now)
    first = strategy.subscriptions.get()
    other = broker_rows.account(team, book_as_of=now)
    knows(other.connection, now, "MSFT", 272093)
    second = rows.subscription(strategy, other, now, allow_add=True)
    Signal.objects.filter(pk=signals[-1].pk).update(fanned_out_to=first.pk)
    settle.settle_waiting(now, rota=OfFour())
    assert list(Decision.objects.values_list("signal", "subscription")) == [(signals[-1].pk, second.pk)]


@pytest.mark.django_db
def test_a_lane_sends_contract_by_contract_in_turn_and_ways_out_first(account: BrokerageAccount) -> None:
    orders = [broker_rows.order(account, conid=conid) for conid in (1, 1, 1, 2, 2, 3)]
    way_out = broker_rows.order(account, conid=1, role="exit", side="sell")
    left = []
    while (job := execution.take_next(account.connection_id, timezone.now())) is not None:
        left += [order.pk for order in job.orders]
    in_turn = [orders[number].pk for number in (3, 5, 0, 4, 1, 2)]
    assert left == [way_out.pk, *in_turn]
