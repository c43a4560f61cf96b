"""A signal that comes again while IBKR holds the order of the first one, from signal to broker at a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import Order, Position
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.domain.terms.terms import WorkingEntry
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import reading

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    made = rows.strategy(team, timezone.now())
    rows.subscription(made, bench.account, timezone.now(), allow_swap=True, working_entry=WorkingEntry.REJECT)
    return made


def last_decision() -> Decision:
    settle.settle_waiting(timezone.now())
    return Decision.objects.select_related("signal").latest("pk")


def signal(strategy: Strategy, action: str = "sell") -> Callable[[], bool]:
    """Sends a signal; the step is done once it is decided."""
    rows.signal(strategy, timezone.now(), reading=reading(action, quantity="5"))

    def decided() -> bool:
        return last_decision().status != "pending"

    return decided


def entry() -> Order:
    order: Order = Order.objects.filter(role="entry").earliest("pk")
    return order


def held(bench: lab.Lab) -> Decimal:
    return sum(Position.objects.filter(account=bench.account).values_list("quantity", flat=True), Decimal(0))


def lived(*steps: Callable[[], object]) -> None:
    async def story() -> None:
        async with lab.watching():
            for step in steps:
                while not await asyncio.to_thread(lab.holds, step):
                    await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 120))


def held_at_the_broker(strategy: Strategy, bench: lab.Lab, **hold: Any) -> None:
    """The first sell is inactive at IBKR while shares are located, and the account shows no position."""
    bench.gateway.fault(action={"held": {"s": 3600, **hold}}, match={**PLACE, "user": bench.user})
    lived(signal(strategy), lambda: entry().held_reason != "")
    assert (entry().status, entry().filled_quantity) == ("accepted", Decimal(0))


@pytest.mark.parametrize("reason", ["", "The order is under review by our compliance desk."])
def test_a_repeat_meets_the_entry_that_ibkr_holds(bench: lab.Lab, strategy: Strategy, reason: str) -> None:
    held_at_the_broker(strategy, bench, **({"reason": reason} if reason else {}))
    lived(signal(strategy))
    repeat = last_decision()
    assert (repeat.status, repeat.reason_code) == ("rejected", "entry-already-working")
    assert Order.objects.filter(role="entry").count() == 1
    assert len(bench.posts()) == 1


@pytest.mark.parametrize("ends", ["accepted", "filled"])
def test_a_held_entry_comes_back_as_submitted_or_filled(bench: lab.Lab, strategy: Strategy, ends: str) -> None:
    held_at_the_broker(strategy, bench)
    order = entry()
    status = {"accepted": "Submitted", "filled": "Filled"}[ends]
    row = {
        "orderId": int(order.broker_order_id),
        "acct": bench.account.account_id,
        "conid": order.conid,
        "side": "SELL",
        "orderType": "Market",
        "status": status,
        "totalSize": 5.0,
        "filledQuantity": 5.0 if ends == "filled" else 0.0,
        "remainingQuantity": 0.0 if ends == "filled" else 5.0,
        "avgPrice": "180.5" if ends == "filled" else "",
        "order_ref": order.reference,
    }
    shown = {"status": 200, "body": {"orders": [row], "snapshot": True}}
    match = {"user": bench.user, "method": "GET", "path": "/iserver/account/orders"}
    bench.gateway.fault(action=shown, match=match, times=None, ttl_s=600)
    # What the stream says of it is older than that.
    bench.gateway.fault(action={"suppress_ws": {"topic": "sor", "s": 600}}, match={"user": bench.user}, ttl_s=600)
    lived(lambda: entry().held_reason == "" and entry().status == ends)
    if ends == "accepted":
        lived(signal(strategy))
        assert last_decision().reason_code == "entry-already-working"
    assert len(bench.posts()) == 1


def test_a_flip_waits_for_what_ibkr_holds_and_sends_no_second_entry(bench: lab.Lab, strategy: Strategy) -> None:
    held_at_the_broker(strategy, bench)
    lived(signal(strategy, "buy"))
    assert last_decision().reason_code == "entry-already-working"
    assert len(bench.posts()) == 1
