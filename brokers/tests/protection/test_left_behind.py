"""Ways out whose position is gone by list and fills alike are canceled two seconds after the fill; all else waits longer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.domain.brokerage import OrderFacts
from brokers.domain.orders import OrderStatus, OrderType, Side
from brokers.models import BrokerageAccount, Execution, ForeignOrder, Order
from brokers.protection import left_behind
from brokers.protection.foreign import note
from brokers.tests import rows

pytestmark = pytest.mark.django_db
SOON, DUE = timedelta(seconds=1), timedelta(seconds=2)


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    return rows.account(team, book_as_of=now + timedelta(milliseconds=500))


def stop_of(account: BrokerageAccount, now: datetime) -> Order:
    """A stop over ten that were bought a minute ago and sold by hand now."""
    bought = rows.filled(rows.order(account, quantity=Decimal(10)), at=now - timedelta(minutes=1))
    Execution.objects.filter(order=bought).update(seen_at=now - timedelta(minutes=1))
    by_hand(account, now, 10)
    return rows.order(
        account,
        role="stop_loss",
        side="sell",
        type="stop",
        stop_price=Decimal(90),
        status="accepted",
        broker_order_id="7",
        changed_at=now - timedelta(minutes=1),
    )


def look(account: BrokerageAccount, now: datetime) -> datetime | None:
    return left_behind.cancel(account, left_behind.contracts(account, now), now)


def by_hand(account: BrokerageAccount, now: datetime, quantity: int) -> Execution:
    return Execution.objects.create(
        team=account.team,
        account=account,
        broker_execution_id=f"hand.{quantity}",
        conid=265598,
        ticker="AAPL",
        side="sell",
        quantity=Decimal(quantity),
        price=Decimal(180),
        executed_at=now,
        seen_at=now,
    )


def test_it_is_canceled_two_seconds_after_the_fill_that_closed_the_position(
    account: BrokerageAccount, now: datetime
) -> None:
    stop = stop_of(account, now)
    assert look(account, now + SOON) == now + DUE
    stop.refresh_from_db()
    assert stop.status == "accepted"
    assert look(account, now + DUE) is None
    stop.refresh_from_db()
    assert stop.status == "pending_cancel"


def unread(account: BrokerageAccount, now: datetime) -> None:
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=now - SOON)
    account.refresh_from_db()


WAITS: dict[str, Callable[[BrokerageAccount, datetime], object]] = {
    "fills leave some of it": lambda account, now: Execution.objects.filter(order=None).update(quantity=Decimal(6)),
    "it was bought before anything is known": lambda account, now: Execution.objects.exclude(order=None).delete(),
    "the list was read before the fill": unread,
    "something is held": lambda account, now: rows.position(account),
    "an entry may fill": lambda account, now: rows.order(account, status="accepted", broker_order_id="8"),
}


@pytest.mark.parametrize("reason", WAITS)
def test_it_is_left_alone_while(account: BrokerageAccount, now: datetime, reason: str) -> None:
    stop = stop_of(account, now)
    WAITS[reason](account, now)
    if reason == "it was bought before anything is known":
        Order.objects.exclude(pk=stop.pk).update(filled_quantity=0, status="canceled")
    assert look(account, now + DUE) is None
    stop.refresh_from_db()
    assert stop.status == "accepted"


def test_an_order_of_others_that_appears_and_ends_in_one_batch_of_news_is_gone(
    account: BrokerageAccount, now: datetime
) -> None:
    shown: dict[str, Any] = {
        "account_id": account.account_id,
        "broker_order_id": "77",
        "conid": 265598,
        "side": Side.BUY,
        "type": OrderType.MARKET,
        "quantity": Decimal(5),
    }
    works = OrderFacts(**shown, status=OrderStatus.ACCEPTED, remaining_quantity=Decimal(5))
    filled = OrderFacts(**shown, status=OrderStatus.FILLED, remaining_quantity=Decimal(0))
    accounts = {account.account_id: account}
    assert note(accounts, [works, filled], now).touched == {(account.pk, 265598)}
    assert not ForeignOrder.objects.exists()
    note(accounts, [works], now)
    assert ForeignOrder.objects.exists()
