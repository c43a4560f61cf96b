"""A way out whose contract IBKR has not answered yet leaves before the entries of its account."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, Closing, ContractLookup, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.domain.exits_first import LONGEST
from strategies.models import Decision, Signal, Strategy
from strategies.tests import rows
from strategies.tests.lookups import knows, reading

pytestmark = pytest.mark.django_db
AAPL, MSFT = 265598, 272093
WAITS = "IBKR's contract for MSFT"


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """An account that holds MSFT, of which IBKR is asked anew today; the contract of AAPL is known."""
    made = broker_rows.account(team, book_as_of=now)
    knows(made.connection, now)
    knows(made.connection, now, "MSFT", MSFT)
    broker_rows.position(made, ticker="MSFT", conid=MSFT, quantity=Decimal(5))
    wanted(True)
    ContractLookup.objects.update(asked_at=now)
    return made


@pytest.fixture
def strategy(team: Team, now: datetime, account: BrokerageAccount) -> Strategy:
    made = rows.strategy(team, now)
    rows.subscription(made, account, now, entry_time_to_live_seconds=300)
    return made


def wanted(yes: bool, ticker: str = "MSFT") -> None:
    """Whether IBKR has still to answer which contract the ticker means."""
    ContractLookup.objects.filter(ticker=ticker).update(status="wanted" if yes else "found")


def came(
    strategy: Strategy, at: datetime, action: str, ticker: str, quantity: str | None = "10", **values: Any
) -> Signal:
    return rows.signal(strategy, at, reading=reading(action, ticker, quantity), **values)


def fresh(at: datetime) -> datetime:
    BrokerageAccount.objects.update(book_as_of=at)
    return at


def statuses() -> list[tuple[str, str]]:
    return [(each.status, each.waiting_for) for each in Decision.objects.order_by("pk")]


def ordered() -> list[tuple[str, str]]:
    return [(order.role, order.ticker) for order in Order.objects.order_by("ticket_id", "pk")]


@pytest.mark.parametrize("first", ["entry", "way out"])
def test_the_entry_waits_and_says_for_what(strategy: Strategy, now: datetime, first: str) -> None:
    sent = [("buy", "AAPL", "10"), ("exit", "MSFT", None)]
    for signal in sent if first == "entry" else reversed(sent):
        came(strategy, now, *signal)
    settle.settle_waiting(now)
    assert ordered() == []
    expected = [("pending", f"the exit of MSFT of {now:%H:%M:%S} UTC, which waits for {WAITS}"), ("pending", WAITS)]
    assert statuses() == (expected if first == "entry" else expected[::-1])
    wanted(False)
    settle.settle_waiting(fresh(now + timedelta(seconds=3)))
    assert ordered() == [("exit", "MSFT"), ("entry", "AAPL")]


@pytest.mark.parametrize("action", ["sell", "reverse"])
def test_what_makes_the_position_smaller_by_what_is_held_is_waited_for_too(
    strategy: Strategy, now: datetime, action: str
) -> None:
    came(strategy, now, "buy", "AAPL")
    came(strategy, now, action, "MSFT", "5")
    settle.settle_waiting(now)
    assert ordered() == []


def test_an_entry_that_awaits_its_contract_holds_up_no_other(strategy: Strategy, now: datetime) -> None:
    came(strategy, now, "buy", "MSFT")
    came(strategy, now, "buy", "AAPL")
    settle.settle_waiting(now)
    assert ordered() == [("entry", "AAPL")]


def test_it_goes_on_when_the_contract_does_not_come(strategy: Strategy, now: datetime) -> None:
    came(strategy, now, "buy", "AAPL")
    came(strategy, now, "exit", "MSFT", None)
    settle.settle_waiting(now)
    settle.settle_waiting(fresh(now + LONGEST))
    assert ordered() == [("entry", "AAPL")]
    entry = Decision.objects.get(ticket__isnull=False)
    assert entry.reason.endswith(
        f" It waited no longer for the exit of MSFT of {now:%H:%M:%S} UTC, which waits for {WAITS}."
    )


def test_it_goes_on_when_ibkr_refuses_the_contract(strategy: Strategy, now: datetime) -> None:
    came(strategy, now, "buy", "AAPL")
    came(strategy, now, "exit", "MSFT", None)
    settle.settle_waiting(now)
    ContractLookup.objects.filter(ticker="MSFT").update(status="unknown", reason="No such share.", reason_code="none")
    settle.settle_waiting(fresh(now + timedelta(seconds=1)))
    assert statuses() == [("accepted", ""), ("rejected", "")]
    assert Decision.objects.order_by("pk")[0].reason.count("waited") == 0


def test_a_way_out_that_waits_for_an_order_holds_up_nothing(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    wanted(False)
    came(strategy, now, "exit", "MSFT", "2")
    settle.settle_waiting(now)
    # What it leaves depends on what becomes of the exit that is on its way.
    came(strategy, now, "exit", "MSFT", "4")
    came(strategy, now, "buy", "AAPL")
    settle.settle_waiting(now)
    assert [status for status, _ in statuses()] == ["accepted", "pending", "accepted"]


def test_accounts_do_not_wait_for_each_other(strategy: Strategy, team: Team, now: datetime) -> None:
    other = broker_rows.account(team, book_as_of=now)
    knows(other.connection, now)
    theirs = rows.strategy(team, now, name="Another")
    rows.subscription(theirs, other, now)
    came(strategy, now, "exit", "MSFT", None)
    came(theirs, now, "buy", "AAPL")
    settle.settle_waiting(now)
    assert ordered() == [("entry", "AAPL")]


def test_a_test_signal_neither_waits_nor_holds_up(strategy: Strategy, now: datetime) -> None:
    came(strategy, now, "exit", "MSFT", None, is_test=True)
    came(strategy, now, "buy", "AAPL")
    settle.settle_waiting(now)
    assert ordered() == [("entry", "AAPL")]


def test_what_holds_up_a_way_out_itself_does_not_wait(strategy: Strategy, team: Team, now: datetime) -> None:
    account = BrokerageAccount.objects.get()
    other = rows.strategy(team, now, name="Another")
    rows.subscription(other, account, now)
    came(strategy, now, "exit", "MSFT", None)
    came(strategy, now, "buy", "AAPL")
    came(other, now, "exit", "AAPL", None)
    settle.settle_waiting(now)
    assert ordered()[0] == ("entry", "AAPL")


def test_a_way_out_beyond_the_batch_is_seen(strategy: Strategy, now: datetime) -> None:
    wanted(True, "AAPL")
    came(strategy, now, "buy", "AAPL")
    came(strategy, now, "exit", "MSFT", None)
    for _ in range(2):
        settle.settle_waiting(now, batch=1)
    wanted(False, "AAPL")
    settle.settle_waiting(fresh(now + timedelta(seconds=1)), batch=1)
    assert ordered() == []


def test_a_position_that_is_to_be_closed_is_closed_first(
    strategy: Strategy, account: BrokerageAccount, team: Team, now: datetime
) -> None:
    wanted(True, "AAPL")
    came(strategy, now, "buy", "AAPL")
    settle.settle_waiting(now)
    Closing.objects.create(
        team=team, account=account, conid=MSFT, ticker="MSFT", asset_class="stock", reason="Enough", asked_at=now
    )
    wanted(False, "AAPL")
    settle.settle_waiting(fresh(now + timedelta(seconds=1)))
    assert statuses() == [("pending", "the close of MSFT, which waits for a look at the account's positions")]
    settle.settle_waiting(fresh(now + LONGEST))
    assert ordered() == [("entry", "AAPL")]


def test_the_wait_is_counted_from_the_return_of_the_session(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    came(strategy, now, "buy", "AAPL")
    came(strategy, now, "exit", "MSFT", None)
    back = now + timedelta(seconds=90)
    type(account.connection).objects.update(session_status="active", turned_at=back)
    settle.settle_waiting(fresh(back))
    assert ordered() == []
    settle.settle_waiting(fresh(back + LONGEST))
    assert ordered() == [("entry", "AAPL")]


def test_the_wait_is_counted_from_the_question_where_nobody_looked_before(strategy: Strategy, now: datetime) -> None:
    """No worker ran for a while after the signals had come."""
    came(strategy, now, "buy", "AAPL")
    came(strategy, now, "exit", "MSFT", None)
    later = now + LONGEST + timedelta(seconds=10)
    ContractLookup.objects.filter(ticker="MSFT").update(asked_at=later)
    settle.settle_waiting(fresh(later))
    assert ordered() == []
