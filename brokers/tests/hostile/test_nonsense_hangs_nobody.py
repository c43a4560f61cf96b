"""A gateway that sends numbers, rows, depths and sizes without end, beside a good one of another team, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.connections.connections import login_of
from brokers.connections.reach import reach
from brokers.domain.brokerage import Ambiguous, BrokerUnavailable, Paused
from brokers.ibkr.pacing import Egress
from brokers.ibkr.tests.conftest import leg
from brokers.models import BrokerageAccount, Connection, Order
from brokers.orders import cancels
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.tests.neighbours import Neighbours, neighbours, status

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = ("number", "digits", "depth", "rows", "size", "gzip")


@pytest.fixture
def both(team: Team) -> Iterator[Neighbours]:
    with neighbours(team) as made:
        yield made


def session(bench: lab.Lab) -> str:
    return str(Connection.objects.values_list("session_status", flat=True).get(pk=bench.connection.pk))


def cancel(order: Order) -> bool:
    order.refresh_from_db()
    return cancels.request_cancel(order=order, actor=None, now=timezone.now())


def test_the_good_order_and_its_cancel_leave_beside_it_and_it_is_paused(both: Neighbours) -> None:
    for kind in KINDS:
        both.hostile.gateway.fault(preset=f"hostile_{kind}", times=3)
    both.hostile.gateway.fault(preset="hostile_number", times=None, ttl_s=300)
    both.hostile.order()
    good = both.good.order(type="limit", limit_price=Decimal("1.00"))

    async def story() -> None:
        async with lab.watching(), lab.working() as task:
            await lab.until(lambda: status(good) == "accepted", "the good order works")
            await asyncio.to_thread(lab.asked, lambda: cancel(good))
            await lab.until(lambda: status(good) == "canceled", "the good cancel is through")
            await lab.until(lambda: session(both.hostile) == "paused", "the hostile gateway is left alone", 60)
            late = await asyncio.to_thread(lab.asked, both.good.order)
            await lab.until(lambda: status(late) == "filled", "a good order leaves after it too")
            assert not task.done()

    asyncio.run(story())
    both.hostile.connection.refresh_from_db()
    assert both.hostile.connection.session_reason.startswith(
        "This gateway keeps sending what no gateway of IBKR sends ("
    )
    assert both.hostile.connection.session_reason.endswith("Check which program answers at its address.")
    event = both.hostile.connection.session_events.filter(status="paused").latest("pk")
    assert event.evidence["code"] == "gateway-nonsense"
    assert session(both.good) == "active"


@pytest.mark.parametrize("kind", [*KINDS, "text"])
def test_a_read_fails_and_a_write_is_in_doubt(gateway: RunningGateway, team: Team, kind: str) -> None:
    bench = lab.make(team, gateway)
    egress = Egress()

    async def story() -> None:
        async with ibkr.new_http(reach()) as http:
            broker = ibkr.connect(login_of(bench.connection), http, egress=egress)
            gateway.fault(preset=f"hostile_{kind}", match={"user": bench.user}, times=None)
            if kind != "text":
                with pytest.raises(BrokerUnavailable, match="cannot be read"):
                    await broker.orders(bench.account.account_id)
            outcome = await broker.submit(bench.account.account_id, [leg("hy-1")])
            await broker.close()
        if kind != "text":
            assert isinstance(outcome, Ambiguous)

    asyncio.run(story())


def test_a_text_that_no_database_keeps_is_written_down_all_the_same(gateway: RunningGateway, team: Team) -> None:
    bench = lab.make(team, gateway)
    gateway.fault(preset="hostile_text", match={"user": bench.user, "path": "/iserver/account/*/orders"})
    order = bench.order()
    lab.work()
    order.refresh_from_db()
    assert order.status == "rejected"
    assert order.attempts.get().outcome == "rejected"


@pytest.mark.parametrize("kind", ["number", "depth", "size", "flood"])
def test_messages_of_the_stream_are_bounded_too(gateway: RunningGateway, team: Team, kind: str) -> None:
    bench = lab.make(team, gateway)
    egress = Egress()
    gateway.fault(action={"frames": kind}, match={"user": bench.user, "path": "/ws"}, times=None)

    async def story() -> int:
        """The number of events until the stream ends, or until it is clear that it is read slowly."""
        async with ibkr.new_http(reach()) as http:
            seen = 0
            for _ in range(6):
                feed = ibkr.listen(login_of(bench.connection), http, egress=egress)
                try:
                    async with asyncio.timeout(3):
                        async for event in feed.events():
                            seen += len(event.orders)
                except TimeoutError:
                    pass
                finally:
                    await feed.close()
            return seen

    if kind == "flood":
        # Read at the pace of the stream, not of the sender: far less than six times five thousand.
        assert asyncio.run(story()) < 20_000
    else:
        with pytest.raises(Paused) as paused:
            asyncio.run(story())
        assert paused.value.code == "gateway-nonsense"


def test_thousands_of_accounts_are_not_made_of_one_answer(gateway: RunningGateway, team: Team) -> None:
    bench = lab.make(team, gateway)
    named = {"accounts": [f"DU{number}" for number in range(4000)], "isPaper": True}
    gateway.fault(
        action={"status": 200, "body": named}, match={"user": bench.user, "path": "/iserver/accounts"}, times=None
    )

    async def story() -> int:
        async with ibkr.new_http(reach()) as http:
            broker = ibkr.connect(login_of(bench.connection), http, egress=Egress())
            facts = await broker.accounts()
            await broker.close()
            return len(facts)

    assert asyncio.run(story()) == 500
    assert BrokerageAccount.objects.count() == 1
