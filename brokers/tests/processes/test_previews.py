"""Previews asked by lanes at a real gateway: bounded in time, one after the other, and never in an order's way."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import previews
from brokers.domain.orders import Side
from brokers.models import ContractLookup, MarginPreview, Order
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.processes.previews import PREVIEW_SECONDS
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)
PREVIEW = "/orders/whatif"


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    bench = lab.make(team, gateway)
    conid = gateway.call(bench.user, "GET", "/trsrv/futures?symbols=MES")[1]["MES"][0]["conid"]
    ContractLookup.objects.create(
        connection=bench.connection,
        ticker="MES",
        asset_class="future",
        status="found",
        conid=conid,
        multiplier=5,
        exchange="CME",
        answered_at=timezone.now(),
    )
    return bench


def want(bench: lab.Lab, side: Side = Side.BUY, quantity: int = 2) -> None:
    conid = ContractLookup.objects.get(ticker="MES").conid
    assert conid is not None
    question = previews.Question(
        account_pk=bench.account.pk,
        connection_pk=bench.connection.pk,
        conid=conid,
        side=side,
        quantity=Decimal(quantity),
    )
    previews.want([question], timezone.now())


def hang(bench: lab.Lab, **changes: Any) -> None:
    match = {"user": bench.user, "path": "/iserver/account/*/orders/whatif"}
    bench.gateway.fault(preset="preview_timeout", match=match, times=None, **changes)


def test_a_preview_tells_the_margin_and_places_nothing(bench: lab.Lab) -> None:
    want(bench)
    want(bench, Side.SELL, 4)
    lab.work()
    bought, sold = MarginPreview.objects.order_by("side")
    assert bought.initial is not None
    assert sold.initial is not None
    assert bought.initial > 1_000
    assert abs(sold.initial - 2 * bought.initial) < 200
    assert (bought.refusal, bought.short, bought.wanted_at) == ("", False, None)
    assert bench.at_broker() == []
    sent = [entry["path"] for entry in bench.gateway.journal(bench.user) if "whatif" in entry["path"]]
    assert len(sent) == 2


def test_a_preview_of_too_much_says_that_the_account_is_short(bench: lab.Lab) -> None:
    want(bench, quantity=100_000)
    lab.work()
    row = MarginPreview.objects.get()
    assert row.short
    assert "EQUITY MUST EXCEED" in row.refusal


def test_an_order_that_cannot_leave_keeps_back_no_preview(bench: lab.Lab) -> None:
    """It stands behind one of its contract that a person has to decide."""
    bench.order(status="needs_attention", submitted_at=timezone.now())
    behind = bench.order(role="exit", side="sell")
    want(bench)

    async def story() -> None:
        async with lab.working():
            answered = MarginPreview.objects.filter(initial__isnull=False)
            await lab.until(answered.exists, "IBKR has been asked for the preview", 15)

    asyncio.run(story())
    behind.refresh_from_db()
    assert behind.status == "created"


def test_a_gateway_that_does_not_answer_is_waited_for_no_longer_than_the_decision(bench: lab.Lab) -> None:
    hang(bench)
    want(bench)
    began = time.monotonic()
    lab.work()
    assert PREVIEW_SECONDS <= time.monotonic() - began < PREVIEW_SECONDS + 5
    row = MarginPreview.objects.get()
    assert (row.wanted_at, row.as_of, row.answered_at is not None) == (None, None, True)
    assert len(bench.gateway.journal(bench.user, path=PREVIEW)) <= 1


@pytest.mark.parametrize("role", ["exit", "entry"])
def test_an_order_that_comes_meanwhile_leaves_at_once(bench: lab.Lab, role: str) -> None:
    hang(bench)
    want(bench)

    async def story() -> float:
        working = asyncio.create_task(asyncio.to_thread(lab.work))
        await asyncio.sleep(0.6)
        began = time.monotonic()

        def order() -> bool:
            bench.order(role=role)
            notify(ORDERS_CHANNEL, str(bench.connection.pk))
            return True

        await asyncio.to_thread(lab.holds, order)
        await lab.until(lambda: Order.objects.filter(acknowledged_at__isnull=False).exists(), "the order is out")
        took = time.monotonic() - began
        await working
        return took

    assert asyncio.run(story()) < 1.5
    assert len(bench.posts()) == 1
    # Asked again afterwards, and not answered in time either.
    assert MarginPreview.objects.get().wanted_at is None


def test_a_preview_whose_contract_is_gone_is_not_asked_for(bench: lab.Lab) -> None:
    want(bench)
    ContractLookup.objects.filter(ticker="MES").delete()
    lab.work()
    assert MarginPreview.objects.get().wanted_at is None
    assert bench.gateway.journal(bench.user, path=PREVIEW) == []
