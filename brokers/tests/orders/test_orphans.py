"""Ways out of a position that is gone are canceled before they open the opposite one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team
from brokers.models import BrokerageAccount, Order
from brokers.orders import orphans
from brokers.tests import rows

pytestmark = pytest.mark.django_db

LATER = timedelta(minutes=1)


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    return rows.account(team, book_as_of=now + LATER)


def working(account: BrokerageAccount, now: datetime, **values: Any) -> Order:
    """A stop that has stood at the broker for a minute."""
    fields = {
        "role": "stop_loss",
        "side": "sell",
        "type": "stop",
        "stop_price": Decimal(90),
        "status": "accepted",
        "broker_order_id": "7",
        "changed_at": now,
        **values,
    }
    return rows.order(account, **fields)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"role": "take_profit", "type": "limit", "limit_price": Decimal(120)},
        {"role": "exit", "type": "limit", "limit_price": Decimal(120)},
        {"side": "buy"},
        {"status": "partially_filled", "filled_quantity": Decimal(3)},
    ],
)
def test_a_way_out_of_nothing_is_canceled(account: BrokerageAccount, now: datetime, values: dict[str, Any]) -> None:
    order = working(account, now, **values)
    assert orphans.cancel(now + LATER) == 1
    order.refresh_from_db()
    assert order.status == "pending_cancel"
    assert order.events.order_by("-id")[0].cause == "canceled: IBKR shows no position in AAPL that it could close"
    assert orphans.cancel(now + LATER) == 0


def test_a_stop_on_the_wrong_side_of_what_is_held_is_left_behind_too(account: BrokerageAccount, now: datetime) -> None:
    rows.position(account, quantity=Decimal(-10))
    working(account, now)
    assert orphans.cancel(now + LATER) == 1


def old_book(account: BrokerageAccount, now: datetime) -> None:
    BrokerageAccount.objects.filter(pk=account.pk).update(book_as_of=now - timedelta(hours=1))


def fresh_fill(account: BrokerageAccount, now: datetime) -> None:
    filled = rows.order(account, status="filled", filled_quantity=Decimal(10), changed_at=now)
    rows.execution(filled, seen_at=now + timedelta(seconds=40))


# What may make a position of it yet, or shows that our list of positions is not to be believed.
REASONS: dict[str, Callable[[BrokerageAccount, datetime], object]] = {
    "it is held": lambda account, now: rows.position(account),
    "our look is old": old_book,
    "nobody has looked yet": lambda account, now: BrokerageAccount.objects.update(book_as_of=None),
    "an entry works": lambda account, now: rows.order(account, status="accepted", changed_at=now),
    "an entry waits": lambda account, now: rows.order(account, changed_at=now),
    "an exit is on its way": lambda account, now: rows.order(account, role="exit", status="submitted", changed_at=now),
    "an order has just ended": lambda account, now: rows.order(
        account, status="filled", filled_quantity=Decimal(10), changed_at=now + timedelta(seconds=45)
    ),
    "a fill came a moment before the look": fresh_fill,
}


@pytest.mark.parametrize("reason", REASONS)
def test_it_is_left_alone_while(account: BrokerageAccount, now: datetime, reason: str) -> None:
    order = working(account, now)
    REASONS[reason](account, now)
    assert orphans.cancel(now + LATER) == 0
    order.refresh_from_db()
    assert order.status == "accepted"


@pytest.mark.parametrize("held", [0, -10], ids=["nothing held", "turned round"])
def test_the_legs_of_an_entry_that_is_over_do_not_wait_for_another(
    account: BrokerageAccount, now: datetime, held: int
) -> None:
    if held:
        rows.position(account, quantity=Decimal(held))
    over = rows.order(account, status="filled", filled_quantity=Decimal(10), changed_at=now)
    stop = working(account, now, parent=over, release="with_parent")
    other = rows.order(account, status="accepted", changed_at=now)
    its_stop = working(account, now, parent=other, release="with_parent", broker_order_id="8")
    alone = working(account, now, broker_order_id="9")
    assert orphans.cancel(now + LATER) == 1
    statuses = [Order.objects.get(pk=order.pk).status for order in (stop, its_stop, alone)]
    assert statuses == ["pending_cancel", "accepted", "accepted"]


def test_the_order_of_a_group_is_its_clients(account: BrokerageAccount, now: datetime) -> None:
    working(account, now, fa_group="family", fa_method="NetLiq")
    assert orphans.cancel(now + LATER) == 0


def test_other_accounts_and_instruments_do_not_count(account: BrokerageAccount, team: Team, now: datetime) -> None:
    rows.position(account, conid=1, ticker="MSFT")
    rows.position(rows.account(team, book_as_of=now + LATER))
    working(account, now)
    assert orphans.cancel(now + LATER) == 1
