"""A gateway that asks everybody to be silent, hangs, or never says goodbye, beside a good one of another team."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest
from aiohttp import ClientTimeout
from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.connections.reach import reach
from brokers.dialing import Lines
from brokers.domain.brokerage import SLOW_DOWN
from brokers.ibkr.lines import wire
from brokers.models import Connection, Order
from brokers.orders import cancels
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.processes.lanes import Lanes
from brokers.tests import lab
from brokers.tests.neighbours import Neighbours, neighbours, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def both(team: Team) -> Iterator[Neighbours]:
    with neighbours(team) as made:
        yield made


def resting(bench: lab.Lab) -> Order:
    """A limit order that works and does not fill."""
    return bench.order(type="limit", limit_price=Decimal("1.00"))


def session(bench: lab.Lab) -> tuple[str, str]:
    values = Connection.objects.values_list("session_status", "session_reason").get(pk=bench.connection.pk)
    return values[0], values[1]


def deletes(bench: lab.Lab) -> int:
    return len(bench.gateway.journal(bench.user, method="DELETE"))


@pytest.mark.parametrize("retry_after", ["999999999", "inf", "nan", "-5"])
def test_its_429_stops_neither_the_orders_nor_the_cancels_of_another_team(both: Neighbours, retry_after: str) -> None:
    orders = {"method": "POST", "path": "/iserver/account/*/orders"}
    too_many = {"status": 429, "body": "", "headers": {"Retry-After": retry_after}}
    both.hostile.gateway.fault(action=too_many, match=orders, times=None)
    refused, good = both.hostile.order(), resting(both.good)

    async def story() -> None:
        async with lab.working() as task:
            await lab.until(lambda: session(both.hostile)[0] == "paused", "the hostile gateway is left alone")
            late = await asyncio.to_thread(lab.asked, both.good.order)
            await lab.until(lambda: status(late) in {"accepted", "filled"}, "an order leaves after it")
            await lab.until(lambda: status(good) == "accepted", "the good order works")
            await asyncio.to_thread(lab.asked, lambda: ask_cancel(good))
            await lab.until(lambda: deletes(both.good) == 1, "the good cancel leaves")
            assert not task.done()

    asyncio.run(story())
    assert session(both.hostile) == ("paused", SLOW_DOWN)
    assert status(refused) == "created"
    assert len(both.hostile.posts()) == 1
    assert session(both.good)[0] == "active"


def test_its_own_cancels_and_tickles_leave_while_it_asks_for_silence(both: Neighbours) -> None:
    order = resting(both.hostile)
    lab.work()
    assert status(order) == "accepted"
    orders = {"method": "POST", "path": "/iserver/account/*/orders"}
    both.hostile.gateway.fault(preset="hostile_slow_down", match=orders, times=None)
    refused = both.hostile.order()

    async def story() -> None:
        async with lab.working():
            await lab.until(lambda: session(both.hostile)[0] == "paused", "it is left alone")
            before = len(both.hostile.posts())
            await asyncio.to_thread(lab.asked, lambda: ask_cancel(order))
            await lab.until(lambda: deletes(both.hostile) == 1, "the cancel leaves")
            assert len(both.hostile.posts()) == before

    asyncio.run(story())
    order.refresh_from_db()
    assert order.attempts.filter(kind="cancel").count() == 1
    assert status(refused) == "created"
    events = both.hostile.connection.session_events.filter(status="paused")
    assert [event.evidence["code"] for event in events] == ["too-many-requests"]


async def take_over(http: Lines) -> None:
    """Be the next worker, which tries again while another one has the shard."""
    while not await Lanes(lambda login: ibkr.connect(login, http)).run():
        pass


def test_a_gateway_that_hangs_keeps_no_shard_from_the_next_worker(
    both: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = {"method": "POST", "path": "/iserver/account/*/orders"}
    # Longer than the slowest machine takes for the good order; the hanging one is given up at the end.
    both.hostile.gateway.fault(action={"hang": True, "hang_s": 110}, match=orders)
    monkeypatch.setattr(wire, "WRITE_TIMEOUT", ClientTimeout(total=120))
    hanging = both.hostile.order()

    async def story() -> None:
        async with ibkr.new_http(reach()) as http:
            ending = Lanes(lambda login: ibkr.connect(login, http))
            first = asyncio.create_task(ending.run())
            await lab.until(lambda: len(both.hostile.posts()) == 1, "the hostile order is on its way")
            await asyncio.to_thread(lab.asked, lambda: notify(ORDERS_CHANNEL, ending.stop_word))
            good = await asyncio.to_thread(lab.asked, both.good.order)

            second = asyncio.create_task(take_over(http))
            await lab.until(lambda: status(good) in {"accepted", "filled"}, "the good order leaves")
            assert not first.done()
            assert await asyncio.to_thread(lab.asked, lambda: status(hanging)) not in {"accepted", "filled"}
            second.cancel()
            first.cancel()
            await asyncio.gather(first, second, return_exceptions=True)

    asyncio.run(story())


def ask_cancel(order: Order) -> bool:
    order.refresh_from_db()
    return cancels.request_cancel(order=order, actor=None, now=timezone.now())
