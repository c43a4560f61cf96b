"""Ways out that IBKR asks about: an alarm and the way out, or confirmed where the connection says so; a real gateway."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team, User
from brokers.connections import connections
from brokers.domain.orders import AssetClass
from brokers.models import BrokerageAccount, Closing, Order, Position
from brokers.orders import closing
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_plans import status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def asks(bench: lab.Lab, *ids: str, times: int | None = None) -> None:
    match = {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}
    bench.gateway.fault(action={"question": list(ids)}, match=match, times=times)


@pytest.mark.parametrize(("question", "setting"), [("o383", "Size Limit"), ("o451", "Total Value Limit")])
def test_an_exit_that_ibkr_asks_about_names_the_setting_to_raise(bench: lab.Lab, question: str, setting: str) -> None:
    asks(bench, question)
    order = bench.order(role="exit", side="sell")
    lab.work()
    order.refresh_from_db()
    assert order.status == "rejected"
    assert order.reason.startswith('Not confirmed: IBKR asked "')
    assert f"Raise the {setting} in TWS" in order.reason
    assert order.reason.endswith("or switch on confirming for exits at the connection.")


@pytest.mark.parametrize("role", ["exit", "stop_loss", "take_profit"])
def test_a_connection_may_confirm_them_for_ways_out(bench: lab.Lab, alice: User, role: str) -> None:
    connections.confirm_exits(connection=bench.connection, confirms=True, actor=alice, now=timezone.now())
    asks(bench, "o163", "o383", "o451")
    order = bench.order(role=role, side="sell", type="limit", limit_price=Decimal(900))
    lab.work()
    assert status(order) == "accepted"


@pytest.mark.parametrize(("role", "question"), [("entry", "o383"), ("exit", "o99999"), ("exit", "o2137")])
def test_entries_and_other_questions_are_declined_all_the_same(
    bench: lab.Lab, alice: User, role: str, question: str
) -> None:
    connections.confirm_exits(connection=bench.connection, confirms=True, actor=alice, now=timezone.now())
    asks(bench, question)
    order = bench.order(role=role, side="sell")
    lab.work()
    assert status(order) == "rejected"
    assert bench.gateway.books(bench.user) == {}


def test_a_closing_gives_up_at_once_and_says_the_way_out(bench: lab.Lab) -> None:
    now = timezone.now()
    bench.account.book_as_of = now
    bench.account.save()
    rows.position(bench.account)
    asks(bench, "o383")
    wish = closing.close(
        account=BrokerageAccount.objects.get(pk=bench.account.pk),
        conid=265598,
        ticker="AAPL",
        asset_class=AssetClass.STOCK,
        reason="The team asked for it.",
        actor=None,
        now=now,
    )
    lab.work()
    BrokerageAccount.objects.update(book_as_of=timezone.now())
    closing.work(timezone.now())
    wish.refresh_from_db()
    assert (wish.status, Order.objects.count()) == (Closing.Status.FAILED, 1)
    assert wish.note.startswith(
        "IBKR asked about the Size Limit, which Halyard does not confirm by itself. Raise the Size"
    )
    assert wish.note.endswith("Close AAPL in IBKR's own app, or close it here again.")


def test_a_closing_goes_through_where_the_connection_confirms(bench: lab.Lab, alice: User) -> None:
    bench.gateway.seed(bench.user, cash={"USD": 1_000_000}, positions=[{"symbol": "AAPL", "quantity": 10}])
    connections.confirm_exits(connection=bench.connection, confirms=True, actor=alice, now=timezone.now())
    asks(bench, "o383")

    async def story() -> None:
        async with lab.watching():
            await lab.until(Position.objects.exists, "the position is read")
            wish = await asyncio.to_thread(wished)
            while not await asyncio.to_thread(lab.holds, lambda: Closing.objects.get(pk=wish.pk).status != "open"):
                await asyncio.to_thread(lab.work)

    def wished() -> Closing:
        return closing.close(
            account=BrokerageAccount.objects.get(pk=bench.account.pk),
            conid=265598,
            ticker="AAPL",
            asset_class=AssetClass.STOCK,
            reason="The team asked for it.",
            actor=alice,
            now=timezone.now(),
        )

    asyncio.run(asyncio.wait_for(story(), 60))
    assert Closing.objects.get().status == Closing.Status.DONE
