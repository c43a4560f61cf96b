"""Orders of which it is not known whether the gateway has them: found, proven absent, or decided by a person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team, User
from brokers.domain.doubts.choices import Choice
from brokers.models import Connection, Doubt, Order
from brokers.orders import execution, undecided
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import status

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def resends(bench: lab.Lab, chosen: str) -> None:
    Connection.objects.filter(pk=bench.connection.pk).update(resends=chosen)


def reason(order: Order) -> tuple[str, str]:
    row = Order.objects.get(pk=order.pk)
    return row.status, row.reason_code


def watched(*steps: Callable[[], object]) -> None:
    """Work and watch until each step holds, one after the other."""

    async def story() -> None:
        async with lab.watching(), lab.working():
            for number, step in enumerate(steps):
                await lab.until(step, f"step {number}", 40)

    asyncio.run(story())


def placed_by_hand(bench: lab.Lab, **fields: Any) -> str:
    """An order placed at IBKR by somebody else; returns IBKR's number."""
    order = {"conid": 265598, "side": "BUY", "orderType": "LMT", "price": 1, "quantity": 1, "tif": "DAY", **fields}
    path = f"/iserver/account/{bench.account.account_id}/orders"
    answer = bench.gateway.call(bench.user, "POST", path, {"orders": [order]})[1]
    return str(answer[0]["order_id"])


def undecided_order(bench: lab.Lab, **values: Any) -> Order:
    """An order that nobody but a person can decide about."""
    order = bench.order(type="limit", limit_price=Decimal(1), **values)
    Order.objects.filter(pk=order.pk).update(status="needs_attention", submitted_at=timezone.now())
    order.refresh_from_db()
    return order


@pytest.mark.parametrize(
    ("chosen", "kind", "posts"), [("limit", "market", 1), ("never", "limit", 1), ("all", "market", 2)]
)
def test_what_never_arrived_leaves_again_only_where_that_was_chosen(
    bench: lab.Lab, chosen: str, kind: str, posts: int
) -> None:
    resends(bench, chosen)
    bench.gateway.fault(action={"drop_connection": True}, match=PLACE)
    order = bench.order(type=kind, **({"limit_price": Decimal(1)} if kind == "limit" else {}))
    watched(lambda: status(order) in {"filled", "expired"})
    assert len(bench.posts()) == posts
    assert reason(order) == (("filled", "") if posts == 2 else ("expired", "proven-absent"))
    doubt = order.doubts.get()
    assert (doubt.closed_at is not None, doubt.order_reads >= 3, doubt.trade_reads >= 2) == (True, True, True)


def test_without_a_stream_nothing_is_proven(bench: lab.Lab) -> None:
    Connection.objects.filter(pk=bench.connection.pk).update(stream_since=None)
    order = bench.order(status="unknown", submitted_at=timezone.now())
    assert lab.miss(order, seconds=50).status == "unknown"
    assert order.doubts.get().code == "waits-for-stream"
    assert lab.miss(order, seconds=90).status == "needs_attention"
    assert reason(order) == ("needs_attention", "not-to-be-decided")


def test_a_reference_that_ibkr_has_and_does_not_show_is_a_persons_matter(bench: lab.Lab) -> None:
    order = bench.order(status="unknown", submitted_at=timezone.now(), reason_code="already-registered")
    assert lab.miss(order, seconds=5).status == "unknown"
    assert lab.miss(order, seconds=20).status == "needs_attention"
    assert reason(order) == ("needs_attention", "registered-not-shown")


def test_an_acknowledged_order_that_is_shown_no_more_is_looked_for(bench: lab.Lab) -> None:
    keeper = placed_by_hand(bench)
    bench.gateway.fault(action={"silent_drop": True}, match=PLACE, phase="after")
    order = bench.order(type="limit", limit_price=Decimal(1))
    watched(lambda: status(order) == "needs_attention")
    assert keeper
    assert reason(order) == ("needs_attention", "acknowledged-then-gone")
    assert [event.new for event in order.events.order_by("pk")][-3:] == ["accepted", "unknown", "needs_attention"]
    assert len(bench.posts()) == 2  # the one by hand, and this one once


def test_another_order_under_its_reference_is_not_taken_for_it(bench: lab.Lab) -> None:
    order = bench.order(type="limit", limit_price=Decimal(1), status="unknown", submitted_at=timezone.now())
    number = placed_by_hand(bench, side="SELL", price=9_999, cOID=order.reference)
    watched(lambda: status(order) == "needs_attention")
    doubt = order.doubts.get(closed_at=None)
    assert doubt.shown is not None
    assert (doubt.origin, doubt.shown["number"], doubt.shown["side"]) == ("another", number, "sell")
    assert "to sell, and this one is to buy" in Order.objects.get(pk=order.pk).reason


def test_a_person_names_ibkrs_order_and_the_lane_compares(bench: lab.Lab, alice: User) -> None:
    order = undecided_order(bench)
    other, same = placed_by_hand(bench, quantity=5), placed_by_hand(bench)

    def chosen(number: str) -> None:
        undecided.choose(order=order, choice=Choice.ADOPT, number=number, actor=alice, now=timezone.now())

    def objection() -> str:
        return str(Doubt.objects.get(order=order).objection)

    chosen("99")
    watched(lambda: "shows no order 99" in objection())
    chosen(other)
    watched(lambda: "is for 5, and this one is for 1" in objection())
    chosen(same)
    watched(lambda: status(order) == "accepted")
    order.refresh_from_db()
    assert order.broker_order_id == same
    assert Doubt.objects.get(order=order).became == "accepted"


def test_what_a_person_says_is_absent_holds_its_contract_no_longer(bench: lab.Lab, alice: User) -> None:
    order, behind = undecided_order(bench), bench.order()
    assert execution.take_next(bench.connection.pk, timezone.now()) is None
    undecided.choose(order=order, choice=Choice.ABSENT, actor=alice, now=timezone.now())
    lab.work()
    assert status(behind) in {"accepted", "filled"}
    assert reason(order) == ("expired", "given-up")


@pytest.mark.parametrize("number", ["", "12 34", "'; DROP", "9" * 33, "\uff11\uff12"])
def test_a_number_that_is_none_is_refused(bench: lab.Lab, alice: User, number: str) -> None:
    order = undecided_order(bench)
    with pytest.raises(undecided.ChoiceRefused) as refused:
        undecided.choose(order=order, choice=Choice.ADOPT, number=number, actor=alice, now=timezone.now())
    assert refused.value.code == "no-order-number"


def test_an_order_that_is_decided_by_now_takes_no_choice(bench: lab.Lab, alice: User) -> None:
    order = undecided_order(bench)
    undecided.choose(order=order, choice=Choice.ABSENT, actor=alice, now=timezone.now())
    with pytest.raises(undecided.ChoiceRefused) as refused:
        undecided.choose(order=order, choice=Choice.ABSENT, actor=alice, now=timezone.now())
    assert refused.value.code == "order-decided"


def test_an_order_without_a_signal_is_not_decided_again(bench: lab.Lab, alice: User) -> None:
    with pytest.raises(undecided.ChoiceRefused) as refused:
        undecided.choose(order=undecided_order(bench), choice=Choice.AGAIN, actor=alice, now=timezone.now())
    assert refused.value.code == "not-placed-anew"


def test_an_empty_list_says_nothing_of_an_old_order(bench: lab.Lab) -> None:
    """After hours IBKR's list may be empty although orders work."""
    from brokers.orders import vanished

    order = bench.order(type="stop", stop_price=Decimal(1), side="sell", status="accepted", broker_order_id="77")
    now = timezone.now()
    Order.objects.filter(pk=order.pk).update(acknowledged_at=now - timedelta(hours=9))
    for minute in range(5):
        vanished.note_list(bench.connection, bench.account.account_id, [], now + timedelta(minutes=minute))
    assert status(order) == "accepted"
