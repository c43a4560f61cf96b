"""Fills that a position may not contain yet: a decision that hangs on them has to wait."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Team
from brokers.book import live_book
from brokers.book.views import View
from brokers.domain.orders import Instrument
from brokers.models import BrokerageAccount, ContractLookup, Order
from brokers.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    made = rows.account(team, book_as_of=now)
    ContractLookup.objects.create(
        connection=made.connection, ticker="AAPL", asset_class="stock", status="found", conid=265598, answered_at=now
    )
    return made


def positions(account: BrokerageAccount, now: datetime) -> list[Decimal]:
    """What may be held, as far as the book can tell."""
    account.refresh_from_db()
    view = live_book.load([(account, Instrument(ticker="AAPL"))], now).view(account, Instrument(ticker="AAPL"))
    assert isinstance(view, View)
    return [each.position for each in view.alternatives]


def filled(account: BrokerageAccount, at: datetime, **values: object) -> Order:
    fields = {"status": "filled", "filled_quantity": Decimal(10), "filled_at": at, **values}
    return rows.order(account, **fields)


def test_an_order_that_filled_before_its_executions_came_home_may_be_held(
    account: BrokerageAccount, now: datetime
) -> None:
    filled(account, now + timedelta(seconds=1))
    assert positions(account, now) == [0, 10]


def test_its_executions_count_once(account: BrokerageAccount, now: datetime) -> None:
    order = filled(account, now + timedelta(seconds=1))
    rows.execution(order, quantity=Decimal(4), seen_at=now + timedelta(seconds=1))
    assert positions(account, now) == [0, 10]


def test_the_filled_part_of_a_working_order_may_be_held(account: BrokerageAccount, now: datetime) -> None:
    rows.order(account, side="sell", status="partially_filled", filled_quantity=Decimal(3))
    assert positions(account, now) == [0, -3]


def test_positions_that_were_read_since_hold_it(account: BrokerageAccount, now: datetime) -> None:
    order = filled(account, now - timedelta(seconds=1))
    rows.execution(order, seen_at=now - timedelta(seconds=1))
    assert positions(account, now) == [0]
