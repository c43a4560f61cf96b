"""Changes whose answers are lost and that leave two orders at IBKR: both found, none touched; a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team, User
from brokers.book import live_book
from brokers.book.views import View
from brokers.domain.elsewhere.whose import Choice
from brokers.domain.orders import OrderStatus
from brokers.models import BrokerageAccount, Execution, ForeignOrder, Order, Position, UnclaimedOrder
from brokers.models.unclaimed import asked
from brokers.needs.kinds import NEEDS
from brokers.orders import cancels, conversions, resizes
from brokers.orders.identity import keeping
from brokers.protection import claiming, orphaned
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_conversions import changes, match, overdue
from brokers.tests.orders.test_plans import AAPL, status
from brokers.tests.orders.test_resizes import planned

pytestmark = pytest.mark.django_db(transaction=True)
TWO = {"second_order": True, "drop_connection": True}
UNNAMED = {"second_order": {"reference": "none"}, "drop_connection": True}


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    gateway.clear_quotes()
    return lab.make(team, gateway)


def two(bench: lab.Lab, action: dict[str, Any] = TWO, phase: str = "after") -> None:
    bench.gateway.fault(action=action, match=match(bench), phase=phase)


def worked(done: Callable[[], object], *, watched: bool = True) -> None:
    """Work, and bring the stream's news home, until something is true."""

    async def story() -> None:
        if not watched:
            while not await asyncio.to_thread(lab.holds, done):
                await asyncio.to_thread(lab.work)
            return
        async with lab.watching():
            while not await asyncio.to_thread(lab.holds, done):
                await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 20))


def stop_over_ten(bench: lab.Lab) -> Order:
    """A stop that works far below the market, over the ten that are held."""
    bench.gateway.hold(bench.user, symbol="AAPL", quantity=10)
    order = bench.order(role="stop_loss", side="sell", type="stop", stop_price=Decimal("1.00"), quantity=Decimal(10))
    worked(lambda: status(order) == "accepted" and Position.objects.filter(account=bench.account).exists())
    order.refresh_from_db()
    return order


def outcomes(order: Order) -> list[str]:
    return list(order.attempts.filter(kind="modify").order_by("pk").values_list("outcome", flat=True))


def settled(order: Order) -> Callable[[], bool]:
    return lambda: outcomes(order) == ["left_a_second"]


def second_of(order: Order) -> Order:
    return Order.objects.get(second_of=order)


def read_now(bench: lab.Lab) -> BrokerageAccount:
    """The account as if its book had been read at this moment."""
    BrokerageAccount.objects.filter(pk=bench.account.pk).update(book_as_of=timezone.now())
    return BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)


def needs(team: Team) -> list[str]:
    """Which of these somebody is asked about."""
    now, names = timezone.now(), {"second orders", "orders in no row", "filled orders in no row"}
    return [kind.name for kind in NEEDS if kind.name in names for _ in kind.rows(team, now)]


@pytest.mark.parametrize("watched", [True, False], ids=["with its stream", "by lists alone"])
def test_both_are_found_and_nothing_is_asked_again(bench: lab.Lab, team: Team, watched: bool) -> None:
    order = overdue(bench)
    number = order.broker_order_id
    two(bench)
    worked(settled(order), watched=watched)
    order.refresh_from_db()
    second = second_of(order)
    assert (order.broker_order_id, order.status, order.type) == (number, "accepted", "limit")
    assert (second.type, second.quantity, second.ticket_id) == ("market", order.quantity, order.ticket_id)
    assert {order.broker_order_id, second.broker_order_id} == {str(row["orderId"]) for row in bench.at_broker()}
    assert (order.reason_code, second.reason_code) == ("second-order", "second-order")
    assert needs(team) == ["second orders"]
    # However long it is looked at: no third one, and no number changes hands.
    for _ in range(3):
        lab.work()
    order.refresh_from_db()
    assert (order.broker_order_id, len(changes(bench)), len(bench.posts())) == (number, 1, 1)
    assert list(conversions.due(timezone.now() + timedelta(hours=1))) == []


def test_a_fill_of_either_is_that_ones(bench: lab.Lab) -> None:
    order = overdue(bench, quantity=Decimal(3))
    two(bench)

    def filled() -> bool:
        return Execution.objects.filter(order__second_of=order).exists()

    worked(filled)
    worked(settled(order))
    order.refresh_from_db()
    second = second_of(order)
    assert (second.status, second.filled_quantity) == ("filled", Decimal(3))
    assert (order.status, order.filled_quantity, order.executions.count()) == ("accepted", Decimal(0), 0)
    bench.gateway.quote("AAPL", bid="0.8", ask="0.9", last="0.85", ttl_s=30)
    try:
        worked(lambda: status(order) == "filled" and order.executions.exists())
    finally:
        bench.gateway.clear_quotes()
    assert {(each.order_id, each.broker_order_id) for each in Execution.objects.all()} == {
        (order.pk, order.broker_order_id),
        (second.pk, second.broker_order_id),
    }


def test_a_plan_behind_a_doubled_stop_ends_and_both_stay(bench: lab.Lab, team: Team) -> None:
    stop = stop_over_ten(bench)
    two(bench)
    exit_order = planned(bench, stop).orders.get()
    worked(lambda: status(exit_order) == "canceled")
    stop.refresh_from_db()
    second = second_of(stop)
    assert (stop.quantity, stop.keeps_its_size, stop.resize_to) == (Decimal(10), True, None)
    assert (second.quantity, second.type, second.stop_price) == (Decimal(6), "stop", Decimal(1))
    assert outcomes(stop) == ["left_a_second"]
    assert list(resizes.due()) == []
    # Both count for what is decided next.
    account = read_now(bench)
    book = live_book.load([(account, AAPL)], timezone.now(), ask=False)
    view = book.view(account, AAPL)
    assert isinstance(view, View)
    assert {stop.reference, second.reference} <= {each.reference for each in view.snapshot.working}
    assert needs(team) == ["second orders"]


def test_one_that_answers_with_another_number_is_looked_up(bench: lab.Lab) -> None:
    order = overdue(bench)
    number = order.broker_order_id
    two(bench, {"second_order": True}, "before")
    worked(settled(order))
    order.refresh_from_db()
    assert (order.broker_order_id, order.type) == (number, "limit")
    assert second_of(order).type == "market"


def test_one_without_a_reference_is_a_persons_to_tell(bench: lab.Lab, team: Team, alice: User) -> None:
    stop = stop_over_ten(bench)
    two(bench, UNNAMED)
    exit_order = planned(bench, stop).orders.get()
    worked(lambda: status(exit_order) == "canceled")
    row = ForeignOrder.objects.select_related("account__team").get()
    assert (row.second_of_id, row.remaining, row.reference) == (stop.pk, Decimal(6), "")
    assert (outcomes(stop), len(changes(bench))) == (["left_a_second"], 1)
    assert (needs(team), list(orphaned.undecided())) == (["orders in no row"], [row])
    order = orphaned.choose(row=row, choice=Choice.ADOPT, actor=alice, now=timezone.now())
    assert order is not None
    assert (order.second_of_id, order.role, order.status) == (stop.pk, "stop_loss", "accepted")
    assert order.broker_order_id == row.broker_order_id
    assert not ForeignOrder.objects.exists()


def test_a_fill_of_nobodys_after_a_lost_change_ends_the_asking(bench: lab.Lab) -> None:
    order = overdue(bench)
    two(bench, UNNAMED)
    worked(settled(order))
    assert Execution.objects.get().order is None
    order.refresh_from_db()
    assert (order.type, order.reason_code, len(changes(bench))) == ("limit", "second-order", 1)
    assert "looks like the change" in order.reason


@pytest.mark.parametrize("choice", [Choice.ADOPT, Choice.LEAVE])
def test_a_fill_of_nobodys_after_a_lost_change_is_a_persons_to_tell(
    bench: lab.Lab, team: Team, alice: User, choice: Choice
) -> None:
    order = overdue(bench)
    two(bench, UNNAMED)
    worked(lambda: settled(order)() and asked().exists())
    row = asked().get()
    assert (row.second_of_id, row.reference, row.side, row.filled) == (order.pk, "", order.side, order.quantity)
    assert needs(team) == ["filled orders in no row"]
    account = read_now(bench)
    view = live_book.load([(account, AAPL)], timezone.now(), ask=False).view(account, AAPL)
    assert isinstance(view, View)
    assert view.snapshot.doubted is not None
    assert view.snapshot.doubted.code == "order-undecided"
    second = claiming.choose(row=row, choice=choice, actor=alice, now=timezone.now())
    assert needs(team) == []
    if choice is Choice.LEAVE:
        assert second is None
        assert Execution.objects.get().order is None
        return
    assert second is not None
    assert (second.second_of_id, second.status, second.filled_quantity) == (order.pk, "filled", order.quantity)
    assert Execution.objects.get().order_id == second.pk


def test_a_fill_by_hand_after_a_change_that_was_answered_asks_nothing(bench: lab.Lab) -> None:
    order = overdue(bench)
    worked(lambda: status(order) == "filled")
    bench.gateway.by_hand(bench.user, symbol="AAPL", side="BUY", quantity=1, type="MKT")
    worked(lambda: Execution.objects.filter(order=None).exists())
    assert not UnclaimedOrder.objects.exists()


def test_a_person_cancels_one_of_them_or_keeps_both(bench: lab.Lab, team: Team, alice: User) -> None:
    stop = stop_over_ten(bench)
    two(bench)
    exit_order = planned(bench, stop).orders.get()
    worked(lambda: status(exit_order) == "canceled")
    second = second_of(stop)
    keeping.keep_both(order=second, actor=alice, now=timezone.now())
    assert needs(team) == []
    with pytest.raises(keeping.KeepRefused, match="kept already"):
        keeping.keep_both(order=second, actor=alice, now=timezone.now())
    with pytest.raises(keeping.KeepRefused, match="no two to keep"):
        keeping.keep_both(order=stop, actor=alice, now=timezone.now())
    assert cancels.request_cancel(order=Order.objects.get(pk=second.pk), actor=alice, now=timezone.now())
    worked(lambda: status(second) == "canceled")
    stop.refresh_from_db()
    assert stop.status == OrderStatus.ACCEPTED
    (left,) = [row for row in bench.at_broker() if row["status"] not in {"Cancelled", "Filled"}]
    assert str(left["orderId"]) == stop.broker_order_id
