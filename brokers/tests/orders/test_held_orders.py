"""Orders that IBKR shows as inactive and only holds: they may still fill, and count as working."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import Order
from brokers.orders import cancels
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.orders.test_plans import status

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def lived(*steps: Callable[[], object]) -> None:
    async def story() -> None:
        async with lab.watching():
            for step in steps:
                while not await asyncio.to_thread(lab.holds, step):
                    await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 60))


def held(order: Order) -> str:
    return str(Order.objects.values_list("held_reason", flat=True).get(pk=order.pk))


REASONS = [
    "",
    "Your order will not be placed at the exchange until 2026-11-30 09:30:00 US/Eastern.",
    "The order is under review by our compliance desk.",
    "Order held: it has not been transmitted.",
]


@pytest.mark.parametrize("reason", REASONS)
def test_a_held_order_works_and_says_why(bench: lab.Lab, reason: str) -> None:
    bench.gateway.fault(action={"held": {"reason": reason, "s": 3600}}, match={**PLACE, "user": bench.user})
    order = bench.order(side="sell")
    lab.work()
    assert status(order) == "accepted"
    assert held(order).endswith(f'IBKR: "{reason}"') or "IBKR locates shares" in held(order)
    assert order.events.latest("id").cause.startswith("held by IBKR: ")


def test_a_held_order_comes_back_and_fills(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"held": {"s": 1}}, match={**PLACE, "user": bench.user})
    order = bench.order(side="sell")
    lived(lambda: held(order), lambda: status(order) == "filled")
    assert held(order) == ""


def test_a_held_order_is_canceled_like_any_other(bench: lab.Lab) -> None:
    bench.gateway.fault(preset="order_held", match={"user": bench.user})
    order = bench.order(side="sell")
    lab.work()
    order.refresh_from_db()
    assert cancels.request_cancel(order=order, actor=None, now=timezone.now())
    lived(lambda: status(order) == "canceled")
    assert held(order) == ""


@pytest.mark.parametrize("reason", ["Not enough margin.", "No trading permissions.", "Shares could not be located."])
def test_a_true_rejection_stays_one(bench: lab.Lab, reason: str) -> None:
    bench.gateway.fault(action={"inactive": reason}, match={**PLACE, "user": bench.user})
    order = bench.order(side="sell")
    lab.work()
    order.refresh_from_db()
    assert (order.status, order.held_reason, order.filled_quantity) == ("rejected", "", Decimal(0))
    assert order.reason.endswith(f'IBKR: "{reason}"')
    assert order.reason_code in {"not-enough-margin", "no-trading-permission", "no-shares-to-borrow"}


def test_a_held_order_that_ibkr_gives_up_is_rejected_with_its_words(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"held": {"s": 3600}}, match={**PLACE, "user": bench.user})
    order = bench.order(side="sell")
    lab.work()
    order.refresh_from_db()
    row = {
        "orderId": order.broker_order_id,
        "conid": order.conid,
        "status": "Inactive",
        "text": "No shares were found; rejected.",
    }
    answer = {"status": 200, "body": {"orders": [row], "snapshot": True}}
    bench.gateway.fault(
        action=answer, match={"user": bench.user, "method": "GET", "path": "/iserver/account/orders"}, times=None
    )
    lived(lambda: status(order) == "rejected")
    order.refresh_from_db()
    assert order.reason.endswith('IBKR: "No shares were found; rejected."')
    assert (order.reason_code, order.held_reason) == ("no-shares-to-borrow", "")
