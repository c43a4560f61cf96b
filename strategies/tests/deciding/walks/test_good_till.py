"""A signal that is good till a date, from its text to the cancel at a gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.models import BrokerageAccount, Order
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.domain.message.symbols import Kind
from strategies.models import Decision
from strategies.reading.parse import parse
from strategies.setup import strategies
from strategies.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> Iterator[lab.Lab]:
    yield lab.make(team, gateway)
    gateway.clear_quotes()


def test_it_works_as_good_till_canceled_and_is_canceled_at_its_time(team: Team, bench: lab.Lab) -> None:
    strategy = strategies.create_strategy(
        team=team, actor=None, name="Dated", asset_class=Kind.STOCK, now=timezone.now()
    )
    rows.subscription(strategy, bench.account, timezone.now())
    bench.gateway.quote("AAPL", bid=250, ask="250.01", last=250)
    body = {"ticker": "AAPL", "action": "buy", "quantity": 3, "orderType": "limit", "limitPrice": 200}

    def sent() -> None:
        now = timezone.now()
        end = now + timedelta(seconds=4)
        text = json.dumps({**body, "goodTillDate": end.isoformat()}).encode()
        reading = parse(text, kind=Kind.STOCK, allowed_tickers=(), now=now).message.reading()
        rows.signal(strategy, now, reading=reading)

    def decided() -> bool:
        settle.settle_waiting(timezone.now())
        return Decision.objects.exclude(status="pending").exists()

    async def story() -> None:
        async with lab.watching(), lab.working():
            await lab.until(lambda: BrokerageAccount.objects.get().book_as_of is not None, "the book is read")
            await asyncio.to_thread(sent)
            await lab.until(decided, "the signal is decided")
            await lab.until(Order.objects.exclude(broker_order_id="").exists, "IBKR has the order")
            await lab.until(Order.objects.filter(status="canceled").exists, "it is canceled at its time")

    asyncio.run(story())
    decision, order = Decision.objects.get(), Order.objects.get()
    assert decision.status == "accepted"
    assert "is canceled by Halyard at " in decision.reason
    assert order.good_till is not None
    assert order.reason.startswith("Canceled by Halyard at its time: it was good till ")
    assert order.events.get(new="pending_cancel").at >= order.good_till
    (ticket,) = json.loads(bench.posts()[0]["body"])["orders"]
    assert (ticket["tif"], ticket["orderType"], ticket["price"]) == ("GTC", "LMT", 200)
    assert [(row["status"], row["timeInForce"]) for row in bench.at_broker()] == [("Cancelled", "GTC")]
