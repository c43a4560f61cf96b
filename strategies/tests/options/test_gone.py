"""Options that IBKR's list lacks for a moment, as their share is split: a signal waits for the list behind, and loses no way out."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.book import holdings
from brokers.domain.brokerage import PositionFacts
from brokers.models import BrokerageAccount, ContractLookup, Order
from brokers.tests import rows as broker_rows
from strategies.deciding import settle
from strategies.domain.message.message import Message
from strategies.domain.message.symbols import Kind
from strategies.models import Decision, Strategy
from strategies.reading.contract import read
from strategies.tests import rows
from strategies.tests.lookups import knows

pytestmark = pytest.mark.django_db
D = Decimal
OLD, NEW = "AAPL 261218C640", "AAPL 261218C160"
BY_PARTS = {"ticker": "AAPL", "optionType": "call"}


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """Two calls, read ten seconds ago; the next list, of a second ago, lacks them."""
    read_at = now - timedelta(seconds=10)
    made = broker_rows.account(team, book_as_of=read_at, opened_at=read_at, equity=D(100_000))
    broker_rows.position(
        made,
        conid=10,
        ticker=OLD,
        asset_class="option",
        quantity=D(2),
        average_cost=D(12),
        as_of=read_at,
        currency="USD",
    )
    for ticker, conid in ((OLD, 10), (NEW, 11)):
        knows(made.connection, now, ticker, conid, asset_class="option")
    ContractLookup.objects.update(multiplier=D(100))
    shows(made, now - timedelta(seconds=1))
    return made


@pytest.fixture
def strategy(team: Team, now: datetime, account: BrokerageAccount) -> Strategy:
    made = rows.strategy(team, now)
    Strategy.objects.filter(pk=made.pk).update(asset_class="option")
    made.refresh_from_db()
    rows.subscription(made, account, now)
    return made


def shows(account: BrokerageAccount, at: datetime, *held: tuple[int, str, int]) -> None:
    facts = [
        PositionFacts(
            account_id=account.account_id,
            conid=conid,
            ticker=ticker,
            asset_class="option",
            quantity=D(quantity),
            average_cost=D(3),
        )
        for conid, ticker, quantity in held
    ]
    holdings.refresh(account, positions=facts, summary=None, as_of=at)


def told(strategy: Strategy, now: datetime, **values: Any) -> Decision:
    message, _ = read(values, kind=Kind.OPTION, allowed_tickers=(), now=now)
    signal = rows.signal(strategy, now, reading=Message.reading(message))
    settle.settle_waiting(now)
    return Decision.objects.get(signal=signal)


@pytest.mark.parametrize("named", [{"ticker": OLD}, BY_PARTS])
def test_a_way_out_waits_for_the_list_that_shows_what_it_has_become(
    strategy: Strategy, account: BrokerageAccount, now: datetime, named: dict[str, str]
) -> None:
    """It was refused, as nothing was held, with eight of now in the account."""
    way_out = told(strategy, now, action="exit", **named)
    assert way_out.status == "pending", way_out.reason
    assert OLD in way_out.waiting_for
    shows(account, now + timedelta(seconds=2), (11, NEW, 8))
    settle.settle_waiting(now + timedelta(seconds=3))
    way_out.refresh_from_db()
    assert way_out.status == "accepted", way_out.reason
    order = Order.objects.get(role="exit")
    assert (order.ticker, order.conid, order.side, order.quantity) == (NEW, 11, "sell", D(8))


def test_what_has_been_gone_for_minutes_is_held_no_more(
    strategy: Strategy, account: BrokerageAccount, now: datetime
) -> None:
    later = now + timedelta(minutes=4)
    shows(account, later - timedelta(seconds=1))
    way_out = told(strategy, later, action="exit", ticker=OLD)
    assert way_out.status == "rejected"
    assert not Order.objects.exists()
