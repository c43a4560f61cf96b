"""An order in doubt whose lists IBKR does not give: nothing else of its connection waits for them; a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import BrokerageAccount, ContractLookup, Doubt, Order
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_plans import status

pytestmark = pytest.mark.django_db(transaction=True)
MSFT = 272093
LISTS = ["/iserver/account/orders", "/iserver/account/trades"]


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def ill(bench: lab.Lab, path: str, answer: int, **match: Any) -> None:
    """From now on IBKR answers these requests with this status."""
    action = {"status": answer, "body": {"error": "Service Unavailable"}}
    bench.gateway.fault(action=action, match={"method": "GET", "path": path, **match}, times=None)


def at_fault(bench: lab.Lab) -> bool:
    """Whether the lane has heard the ill answer and asked anew: a read that fails is tried three times."""
    return bool(bench.gateway.faults()[0]["hits"] > 3)


def exit_of_another(bench: lab.Lab) -> Order:
    """An exit in a contract without any doubt, which is ready now."""
    made = bench.order(conid=MSFT, ticker="MSFT", role="exit", side="sell")
    notify(ORDERS_CHANNEL, str(bench.connection.pk))
    return made


def at_work(*steps: Callable[[], object]) -> None:
    """Lanes alone at work until each step holds, one after the other."""

    async def story() -> None:
        async with lab.working():
            for number, step in enumerate(steps):
                await lab.until(step, f"step {number}", 40)

    asyncio.run(story())


@pytest.mark.parametrize("answer", [503, 400])
@pytest.mark.parametrize("path", LISTS)
def test_an_exit_leaves_while_ibkr_does_not_give_a_list(bench: lab.Lab, path: str, answer: int) -> None:
    lost = bench.order(status="unknown", submitted_at=timezone.now())
    ill(bench, path, answer)

    def asked_for() -> bool:
        return at_fault(bench) and bool(exit_of_another(bench))

    at_work(asked_for, bench.posts)
    assert status(lost) == "unknown"


def test_a_person_is_asked_once_ibkr_has_not_given_its_lists_for_long_enough(bench: lab.Lab) -> None:
    lost = bench.order(status="unknown", submitted_at=timezone.now())
    for path in LISTS:
        ill(bench, path, 503)

    def looked_for_long() -> int:
        begun = timezone.now() - timedelta(seconds=61)
        return Doubt.objects.filter(order=lost, looked_at__isnull=False).update(looking_since=begun)

    at_work(looked_for_long, lambda: status(lost) == "needs_attention")
    lost.refresh_from_db()
    assert lost.reason_code == "not-to-be-decided"


def test_what_one_list_shows_counts_where_the_other_is_ill(bench: lab.Lab) -> None:
    bench.gateway.fault(
        action={"drop_connection": True}, match={"method": "POST", "path": "/iserver/account/*/orders"}, phase="after"
    )
    ill(bench, LISTS[1], 503)
    order = bench.order(type="limit", limit_price=1)
    at_work(lambda: status(order) == "accepted")
    assert [event.new for event in order.events.order_by("pk")] == ["created", "submitted", "unknown", "accepted"]


def test_an_ill_account_keeps_back_no_other(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway, sub_accounts=[{"cash": 100_000}] * 3)
    # What is selected already is not selected again.
    selected = gateway.call(bench.user, "GET", "/iserver/accounts")[1]["selectedAccount"]
    accounts = BrokerageAccount.objects.filter(connection=bench.connection).exclude(account_id=selected)
    first, *_, last = accounts.order_by("account_id")
    lost = [rows.order(each, status="unknown", submitted_at=timezone.now()) for each in (first, last)]
    action = {"status": 400, "body": {"error": "Bad Request: no such account"}}
    match = {"method": "POST", "path": "/iserver/account", "body_contains": first.account_id}
    gateway.fault(action=action, match=match, times=None)
    at_work(lambda: Doubt.objects.filter(order=lost[1], order_reads__gt=0).exists())
    doubt = Doubt.objects.get(order=lost[0])
    assert (doubt.order_reads, doubt.looked_at is not None) == (0, True)


def test_an_order_leaves_while_ibkr_does_not_say_what_a_ticker_means(bench: lab.Lab) -> None:
    ContractLookup.objects.create(connection=bench.connection, ticker="NVDA", asset_class="stock")
    ill(bench, "/trsrv/stocks", 503)

    def asked_for() -> bool:
        return at_fault(bench) and bool(exit_of_another(bench))

    at_work(asked_for, bench.posts)
