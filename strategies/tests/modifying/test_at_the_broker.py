"""From a signal to the moved stop at the broker: in place, once, and told in the decision."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.contracts.lifetimes import in_words
from brokers.domain.orders import Lifetime
from brokers.models import Order, OrderModification
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.deciding.test_decide_at_the_broker import decided, held
from strategies.tests.lookups import reading

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def strategy(team: Team, bench: lab.Lab) -> Strategy:
    made = rows.strategy(team, timezone.now())
    rows.subscription(made, bench.account, timezone.now())
    return made


def modify(**values: Any) -> dict[str, Any]:
    said = {name: value for name, value in reading("modify").items() if name != "quantity"}
    return {**said, **values}


def stops(bench: lab.Lab) -> list[tuple[str, float, str]]:
    return [
        (row["auxPrice"], row["totalSize"], str(row["orderId"]))
        for row in bench.at_broker()
        if row["origOrderType"] == "STOP" and row["status"] in {"Submitted", "PreSubmitted"}
    ]


def test_a_signal_moves_the_stop_of_a_position_in_place(bench: lab.Lab, strategy: Strategy) -> None:
    entry = {
        **reading("buy"),
        "quantity": {"value": "10", "type": "fixed_quantity"},
        "stop_loss": {"type": "stop", "mode": "stopPrice", "value": "1"},
        "signal_id": "long-1",
    }

    async def story() -> None:
        async with lab.watching():
            await lab.until(await asyncio.to_thread(decided, strategy, **entry), "the entry is decided")
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: held(bench) == 10, "ten are held")
            [(price, size, number)] = await asyncio.to_thread(stops, bench)
            assert (price, size) == ("1.00", 10.0)
            for said in (modify(order={"stop": "2"}), modify(order={"stop": "3"}, entry_id="long-1")):
                await lab.until(await asyncio.to_thread(decided, strategy, **said), "the change is decided")
                await asyncio.to_thread(lab.work)
            assert await asyncio.to_thread(stops, bench) == [("3.00", 10.0, number)]

    asyncio.run(story())
    first, second = Decision.objects.filter(signal__action="modify").order_by("pk")
    assert (first.status, first.rule) == ("accepted", "M01")
    assert first.reason == "Change in place: the stop of 10 shares of AAPL from 1 to 2."
    assert second.ticket is not None
    assert second.ticket.worked_at is not None
    [change] = second.ticket.modifications.all()
    assert (change.status, change.stop_price) == (OrderModification.Status.MADE, Decimal(3))
    assert Order.objects.get(role="stop_loss").stop_price == 3
    assert Order.objects.count() == 2


def test_a_signal_gives_an_order_another_end_and_nothing_is_sent(bench: lab.Lab, strategy: Strategy) -> None:
    entry = {
        **reading("buy"),
        "quantity": {"value": "10", "type": "fixed_quantity"},
        "order": {"type": "limit", "limit": "1", "tif": "gtd", "good_till": _in(days=3)},
    }
    sooner = _in(days=1)

    async def story() -> None:
        async with lab.watching():
            await lab.until(await asyncio.to_thread(decided, strategy, **entry), "the entry is decided")
            await asyncio.to_thread(lab.work)
            said = modify(order={"tif": "gtd", "good_till": sooner})
            await lab.until(await asyncio.to_thread(decided, strategy, **said), "the change is decided")
            await asyncio.to_thread(lab.work)

    asyncio.run(story())
    decision = Decision.objects.get(signal__action="modify")
    assert (decision.status, decision.rule) == ("accepted", "M02")
    assert decision.ticket is not None
    assert decision.ticket.worked_at is not None
    [change] = decision.ticket.modifications.all()
    order = Order.objects.get()
    assert (change.status, change.order, change.good_till) == ("made", order, order.good_till)
    assert order.good_till == datetime.fromisoformat(sooner)
    assert f"{in_words(Lifetime(order.good_till))}, before good till " in decision.reason
    assert [post["path"] for post in bench.posts()] == [bench.posts()[0]["path"]]


def _in(**span: int) -> str:
    return f"{timezone.now().replace(microsecond=0) + timedelta(**span):%Y-%m-%dT%H:%M:%SZ}"
