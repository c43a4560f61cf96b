"""Of a long line its beginning is read and looked at; a full exit still takes the place of all of it, or of nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount
from brokers.tests import rows as broker_rows
from strategies.deciding import pending, settle, turns
from strategies.deciding.turns import Line
from strategies.domain.message.message import Message
from strategies.domain.revisits import Look, Revisits
from strategies.domain.rota import Place, Rota
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db
MANY = 12


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = broker_rows.account(team, book_as_of=now - timedelta(hours=1))
    knows(made.connection, now)
    knows(made.connection, now, ticker="SPY", conid=756733)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime, account: BrokerageAccount, monkeypatch: pytest.MonkeyPatch) -> Strategy:
    monkeypatch.setattr(turns, "FIRST_OF_LINE", 4)
    monkeypatch.setattr(pending, "LOOKED_AT", 2)
    made = rows.strategy(team, now)
    rows.subscription(made, account, now)
    return made


def entries(strategy: Strategy, now: datetime, count: int = MANY, ticker: str = "AAPL") -> list[Decision]:
    for _ in range(count):
        rows.signal(strategy, now, reading=reading("buy", ticker=ticker, quantity="10"))
    settle.settle_waiting(now)
    return list(Decision.objects.filter(status="pending", signal__ticker=ticker).order_by("pk"))


def newcomer(
    strategy: Strategy, now: datetime, action: str, said: dict[str, object] | None = None
) -> tuple[Decision, Message]:
    """A decision that has no row yet."""
    of = said or reading(action, quantity=None if action == "exit" else "10")
    signal = rows.signal(strategy, now + timedelta(seconds=1), reading=of, dispatched_at=now)
    [subscription] = strategy.subscriptions.all()
    decision = Decision(team=strategy.team, signal=signal, subscription=subscription, terms=subscription.terms)
    return decision, Message.from_reading(signal.reading)


def test_the_beginning_of_a_long_line_is_read(strategy: Strategy, now: datetime) -> None:
    waiting = entries(strategy, now)
    pair = newcomer(strategy, now, "buy")
    line = Line.before([pair[0]])
    assert [each for each, _ in line.ahead(*pair)] == waiting[:5]
    assert line.is_cut(*pair)
    turn = line.turn(*pair)
    assert not isinstance(turn, list)
    assert "which waits for" in turn.waiting_for


def test_each_ticker_has_its_own_beginning(strategy: Strategy, now: datetime) -> None:
    entries(strategy, now)
    [other] = entries(strategy, now, 1, "SPY")
    line = Line.before([newcomer(strategy, now, "buy")[0]])
    message = Message.from_reading(other.signal.reading)
    assert other.pk is not None
    other._state.adding = True  # as a new one in its place would ask
    assert [each.pk for each, _ in line.ahead(other, message)] == [other.pk]
    assert not line.is_cut(other, message)


def test_a_full_exit_takes_the_place_of_all_entries_of_a_long_line(strategy: Strategy, now: datetime) -> None:
    waiting = entries(strategy, now)
    pair = newcomer(strategy, now, "exit")
    assert Line.before([pair[0]]).turn(*pair) == waiting


def test_a_full_exit_takes_no_place_where_something_else_stands_far_behind(strategy: Strategy, now: datetime) -> None:
    waiting = entries(strategy, now)
    Decision.objects.filter(pk=waiting[-1].pk).update(subscription=others(strategy, now, waiting[-1]))
    pair = newcomer(strategy, now, "exit")
    assert not isinstance(Line.before([pair[0]]).turn(*pair), list)


def others(strategy: Strategy, now: datetime, decision: Decision) -> int:
    """Another subscription of the same account."""
    second = rows.strategy(strategy.team, now, "Second")
    return int(rows.subscription(second, decision.subscription.account, now).pk)


def test_a_look_at_a_long_line_is_at_its_beginning_until_a_deep_one(
    strategy: Strategy, account: BrokerageAccount, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = entries(strategy, now)
    looked: list[int] = []
    real = pending._decide

    def decide(decisions: list[Decision], moment: pending.Clock, **how: bool) -> list[Decision]:
        looked.extend(decision.pk for decision in decisions)
        return real(decisions, moment, **how)

    monkeypatch.setattr(pending, "_decide", decide)
    revisits = Revisits()
    settle.settle_waiting(now, batch=6, revisits=revisits)
    assert looked == [decision.pk for decision in waiting], "who knows of no look before looks at all"
    looked.clear()
    revisits.told([account.connection_id], float("inf"))
    settle.settle_waiting(now, batch=6, revisits=revisits)
    assert looked == [decision.pk for decision in waiting[:2]]
    looked.clear()
    Decision.objects.filter(pk=waiting[8].pk).update(way_out=Decision.WayOut.LATER)
    revisits.told([account.connection_id], float("inf"))
    settle.settle_waiting(now, batch=6, revisits=revisits)
    assert looked == [waiting[0].pk, waiting[1].pk, waiting[8].pk], "a way out may take the place of what is before it"


def option(action: str, symbol: str = "AAPL", **facts: str) -> dict[str, object]:
    of: dict[str, object] = {"action": action, "instrument": {"class": "option", "underlying": symbol, **facts}}
    if not facts:
        of["instrument"] = {"class": "option", "underlying": symbol, "scan": True}
        of["option"] = {"type": "call", "expiration": "+1 week", "strikes_away": 2}
    return of if action == "exit" else {**of, "quantity": {"value": "1", "type": "fixed_quantity"}}


def test_an_option_that_is_named_by_parts_has_its_own_beginning_beside_its_share(
    strategy: Strategy, now: datetime
) -> None:
    entries(strategy, now)
    rows.signal(strategy, now, reading=option("buy"))
    settle.settle_waiting(now)
    [waits] = [each for each in Decision.objects.filter(status="pending") if "option" in each.signal.reading]
    pair = newcomer(strategy, now, "exit", option("exit"))
    assert [each for each, _ in Line.before([pair[0]]).ahead(*pair)] == [waits]


C640 = {"right": "C", "expiry": "20261218", "strike": "640"}
P600 = {"right": "P", "expiry": "20261218", "strike": "600"}


@pytest.mark.parametrize(("exits", "passes"), [(C640, 1), (P600, 0)])
def test_a_full_exit_of_an_option_takes_the_place_of_no_other_contract(
    strategy: Strategy, now: datetime, exits: dict[str, str], passes: int
) -> None:
    rows.signal(strategy, now, reading=option("buy", "SPY", **C640))
    settle.settle_waiting(now)
    [waits] = Decision.objects.filter(status="pending")
    pair = newcomer(strategy, now, "exit", option("exit", "SPY", **exits))
    assert Line.before([pair[0]]).turn(*pair) == [waits] * passes


def test_the_beginnings_of_lines_wait_for_no_deep_look(
    strategy: Strategy, account: BrokerageAccount, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = entries(strategy, now)
    looked: list[int] = []
    real = pending._decide

    def decide(decisions: list[Decision], moment: pending.Clock, **how: bool) -> list[Decision]:
        looked.extend(decision.pk for decision in decisions)
        return real(decisions, moment, **how)

    monkeypatch.setattr(pending, "_decide", decide)
    rota = Rota(most=4, bounded=False)
    rota._places[strategy.team.pk] = Place(after=waiting[5].pk, until=waiting[-1].pk, ways_out=False)
    pending.settle_pending(strategy.team.pk, lambda: now, rota, 0.0, Look(0.0, deep=True))
    assert looked[:2] == [decision.pk for decision in waiting[:2]], "the beginning of the line"
    assert looked[2:] == [decision.pk for decision in waiting[6:]], "and on from where the look stood"
