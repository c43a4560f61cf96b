"""Cancels outside hours, which IBKR acknowledges at the open: what leaves a position waits behind them, and says so."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import OrderStatus, Release
from brokers.domain.trading_hours import TradingHours
from brokers.models import Closing, ContractLookup, Order
from brokers.orders import cancels, closing, execution, tickets, unsent
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.orders.test_plans import intent, status

pytestmark = pytest.mark.django_db(transaction=True)
# A Tuesday: the market of US shares is closed until the next day, half past two in the afternoon of UTC.
NIGHT = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)
OPEN = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)


@pytest.fixture
def resting(team: Team) -> Order:
    """An order at IBKR that is to be canceled, on a connection to a paper account."""
    account = rows.account(team, rows.connection(team, environment="paper", base_url="https://127.0.0.1:5000/v1/api"))
    return rows.order(
        account,
        type="limit",
        limit_price=Decimal(1),
        status="accepted",
        broker_order_id="7",
        acknowledged_at=NIGHT,
        changed_at=NIGHT,
        created_at=NIGHT,
    )


def behind(order: Order, *intents: Any, now: datetime = NIGHT) -> list[Order]:
    """Orders of a plan that cancels `order` first, in the order in which they leave."""
    draft = tickets.Draft(
        account=order.account,
        key=uuid.uuid4(),
        conid=order.conid,
        currency="USD",
        multiplier=Decimal(1),
        intents=intents,
        cancels=(order.reference,),
        known={order.reference: Decimal(0)},
        expires_at=now + timedelta(minutes=1),
    )
    with transaction.atomic():
        (ticket,) = tickets.open_tickets([draft], now)
    return list(ticket.orders.order_by("pk"))


def asked(order: Order, now: datetime = NIGHT) -> None:
    """IBKR has the request."""
    order.refresh_from_db()
    assert order.status == "pending_cancel"
    cancels.finish_cancel(order, cancels.begin_cancel(order, now), "accepted", "IBKR has the request.", now)


def test_a_flip_says_what_it_waits_for_and_waits_until_the_open(resting: Order) -> None:
    entry = intent("entry", "buy", 3, release=Release.AFTER_PARENT_FILLS, leave_within=180)
    flip = behind(resting, intent("exit", "buy", 2, then=(entry,)))
    asked(resting)
    for order in flip:
        order.refresh_from_db()
        assert order.expires_at == OPEN + timedelta(minutes=5)
        assert order.reason_code == "waits-for-open"
        assert "does so when its market opens, Wednesday 14:30 UTC. It leaves then." in order.reason
    unsent.expire_overdue(NIGHT + timedelta(hours=8))
    assert [status(order) for order in flip] == ["created", "created"]
    # At the open IBKR cancels it, and the way out leaves without the sentence.
    resting.refresh_from_db()
    Order.objects.move(resting, OrderStatus.CANCELED, now=OPEN)
    job = execution.take_next(resting.connection_id, OPEN + timedelta(seconds=2))
    assert job is not None
    assert [order.pk for order in job.orders] == [flip[0].pk]
    flip[0].refresh_from_db()
    assert (flip[0].status, flip[0].reason, flip[0].reason_code) == ("submitted", "", "")


def test_it_is_too_late_where_the_cancel_is_not_through_after_the_open(resting: Order) -> None:
    (order,) = behind(resting, intent("exit", "sell", 2))
    asked(resting)
    unsent.expire_overdue(OPEN + timedelta(minutes=4))
    assert status(order) == "created"
    unsent.expire_overdue(OPEN + timedelta(minutes=6))
    assert status(order) == "expired"


def test_an_entry_alone_is_not_kept_for_another_day(resting: Order) -> None:
    (order,) = behind(resting, intent("entry", "buy", 2))
    asked(resting)
    unsent.expire_overdue(NIGHT + timedelta(minutes=2))
    order.refresh_from_db()
    assert order.status == "expired"
    assert "does so when its market opens, Wednesday 14:30 UTC. An entry does not wait so long." in order.reason


def test_ibkrs_own_hours_go_before_the_calendar(resting: Order) -> None:
    opens, ends = NIGHT + timedelta(hours=1), NIGHT + timedelta(hours=9)
    hours = TradingHours(regular=((int(opens.timestamp()), int(ends.timestamp())),), as_of=int(NIGHT.timestamp()))
    ContractLookup.objects.create(
        connection=resting.connection,
        ticker="AAPL",
        asset_class="stock",
        status="found",
        conid=resting.conid,
        answered_at=NIGHT,
        increments=[],
        hours=hours.as_json(),
    )
    (order,) = behind(resting, intent("exit", "sell", 2))
    asked(resting)
    order.refresh_from_db()
    assert order.expires_at == opens + timedelta(minutes=5)


@pytest.mark.parametrize("case", ["the market is open", "the answer was lost", "the simulated market"])
def test_nothing_waits_where(resting: Order, case: str) -> None:
    now = OPEN + timedelta(hours=1) if case == "the market is open" else NIGHT
    Order.objects.filter(pk=resting.pk).update(changed_at=now, acknowledged_at=now)
    if case == "the simulated market":
        type(resting.connection).objects.filter(pk=resting.connection_id).update(environment="simulated", base_url="")
    (order,) = behind(resting, intent("exit", "sell", 2), now=now)
    resting.refresh_from_db()
    if case == "the answer was lost":
        cancels.finish_cancel(resting, cancels.begin_cancel(resting, now), "ambiguous", "", now)
    else:
        asked(resting, now)
    unsent.expire_overdue(now + timedelta(minutes=2))
    assert status(order) == "expired"


def test_a_position_that_is_closed_waits_for_the_open_and_has_its_time_from_then_on(resting: Order) -> None:
    rows.position(resting.account, quantity=Decimal(5))
    closing.close(
        account=resting.account,
        conid=resting.conid,
        ticker="AAPL",
        asset_class="stock",
        reason="All of it.",
        actor=None,
        now=NIGHT,
    )
    asked(resting)
    closing.work(NIGHT + timedelta(hours=8))
    wish = Closing.objects.get()
    assert (wish.status, "when its market opens, Wednesday 14:30 UTC." in wish.note) == ("open", True)
    resting.refresh_from_db()
    Order.objects.move(resting, OrderStatus.CANCELED, now=OPEN)
    closing.work(OPEN + timedelta(minutes=1))
    assert Closing.objects.get().status == "open"


def test_the_simulated_ibkr_keeps_a_cancel_until_the_open(team: Team, gateway: RunningGateway) -> None:
    gateway.clear_quotes()
    bench = lab.make(team, gateway)
    order = bench.order(type="limit", limit_price=Decimal(1))
    lab.work()
    gateway.fault(
        action={"cancel_waits": 2}, match={"user": bench.user, "method": "DELETE", "path": "/iserver/account/*/order/*"}
    )
    order.refresh_from_db()
    assert cancels.request_cancel(order=order, actor=None, now=timezone.now())

    async def story() -> None:
        async with lab.watching(), lab.working():
            await lab.until(lambda: order.attempts.filter(kind="cancel", outcome="accepted").exists(), "IBKR has it")
            assert {row["status"] for row in await asyncio.to_thread(bench.at_broker)} == {"PendingCancel"}
            await lab.until(lambda: status(order) == "canceled", "it is canceled")

    asyncio.run(story())
