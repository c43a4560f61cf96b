"""A position is given the stop or the target that it lacks, at a real gateway: in one group where it has both."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import BrokerageAccount, Order, Position, Ticket
from brokers.orders.modifications import protecting
from brokers.orders.modifications.checks import NotChangeable
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def held(team: Team) -> Position:
    """Ten AAPL by a book of now, the market at 180."""
    return rows.position(rows.account(team, book_as_of=timezone.now()), market_price=Decimal(180))


def protect(position: Position, **values: str) -> Ticket:
    wanted = {f"{name}_price": Decimal(value) for name, value in values.items()}
    return protecting.protect(
        account=position.account, conid=position.conid, values=wanted, actor=None, now=timezone.now()
    )


def leg(position: Position, role: str, **values: Any) -> Order:
    kind = {"stop_loss": "stop", "take_profit": "limit"}[role]
    price = {"stop_price": Decimal(170)} if role == "stop_loss" else {"limit_price": Decimal(200)}
    columns = {"status": "accepted", "broker_order_id": role[0], "side": "sell", **price, **values}
    return rows.order(position.account, role=role, type=kind, quantity=Decimal(10), **columns)


def test_a_stop_and_a_target_are_one_group_at_ibkr(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway, positions=[{"symbol": "AAPL", "quantity": 10}])
    BrokerageAccount.objects.filter(pk=bench.account.pk).update(book_as_of=timezone.now())
    position = rows.position(bench.account, market_price=Decimal(180))
    protect(position, stop="1", limit="9999")
    lab.work()
    resting = {row["origOrderType"]: row for row in bench.at_broker()}
    assert {name: row["totalSize"] for name, row in resting.items()} == {"STOP": 10.0, "LIMIT": 10.0}
    assert resting["STOP"]["ocaGroupId"] == resting["LIMIT"]["ocaGroupId"]
    assert set(Order.objects.values_list("role", "status", "time_in_force")) == {
        ("stop_loss", "accepted", "gtc"),
        ("take_profit", "accepted", "gtc"),
    }


@pytest.mark.parametrize(("role", "added"), [("stop_loss", {"limit": "200"}), ("take_profit", {"stop": "170"})])
def test_what_protects_it_is_never_canceled_for_another_leg(held: Position, role: str, added: dict[str, str]) -> None:
    there = leg(held, role)
    with pytest.raises(NotChangeable) as refused:
        protect(held, **added)
    assert refused.value.code == "one-leg-works"
    there.refresh_from_db()
    assert (there.status, Order.objects.count()) == ("accepted", 1)


def test_an_old_book_sizes_nothing_and_is_asked_for(held: Position) -> None:
    BrokerageAccount.objects.update(book_as_of=timezone.now() - timedelta(minutes=5))
    with pytest.raises(NotChangeable) as refused:
        protect(held, stop="170")
    assert refused.value.code == "book-is-old"
    assert BrokerageAccount.objects.get().book_wanted_at is not None
    assert not Order.objects.exists()


def test_a_fill_since_the_book_sizes_nothing(held: Position) -> None:
    rows.execution(rows.order(held.account, role="exit", side="sell", status="filled", filled_quantity=Decimal(10)))
    with pytest.raises(NotChangeable) as refused:
        protect(held, stop="170")
    assert refused.value.code == "book-is-old"


def test_an_order_placed_elsewhere_that_closes_it_is_a_reason_not_to(held: Position) -> None:
    rows.foreign_order(held.account)
    with pytest.raises(NotChangeable) as refused:
        protect(held, stop="170")
    assert refused.value.code == "order-elsewhere"


def test_what_leaves_already_is_not_covered_twice(held: Position) -> None:
    rows.order(held.account, role="exit", side="sell", type="limit", limit_price=Decimal(190), quantity=Decimal(4))
    assert protect(held, stop="170").orders.get().quantity == 6


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "nothing-to-change"),
        ({"stop": "181"}, "price-on-wrong-side"),
        ({"limit": "179"}, "price-on-wrong-side"),
        ({"stop": "170.001"}, "off-tick"),
    ],
)
def test_what_is_refused(held: Position, values: dict[str, str], code: str) -> None:
    with pytest.raises(NotChangeable) as refused:
        protect(held, **values)
    assert refused.value.code == code
    assert not Order.objects.exists()


def test_a_stop_is_not_placed_beside_a_stop(held: Position) -> None:
    leg(held, "stop_loss")
    with pytest.raises(NotChangeable) as refused:
        protect(held, stop="171")
    assert refused.value.code == "has-a-stop"


def test_nothing_is_placed_where_all_leaves_or_is_being_closed(held: Position) -> None:
    rows.order(held.account, role="exit", side="sell", quantity=Decimal(10))
    with pytest.raises(NotChangeable) as refused:
        protect(held, stop="171")
    assert refused.value.code == "already-exiting"
    Position.objects.all().delete()
    with pytest.raises(NotChangeable) as refused:
        protect(held, stop="171")
    assert refused.value.code == "no-position"
