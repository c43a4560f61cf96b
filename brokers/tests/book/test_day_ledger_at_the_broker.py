"""The day's result beside a real gateway: known while something is held, exact once it is sold."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import day_ledger
from brokers.domain.dayresult import DayResult
from brokers.domain.orders import Side
from brokers.models import BrokerageAccount, Execution, Position
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)


def day_result_of(bench: lab.Lab) -> DayResult:
    account = BrokerageAccount.objects.select_related("connection").get(pk=bench.account.pk)
    return day_ledger.results([account], timezone.now())[account.pk]


def test_what_was_bought_and_sold_is_the_days_result(team: Team, gateway: RunningGateway) -> None:
    bench = lab.make(team, gateway)
    held = Position.objects.filter(account=bench.account)

    async def story() -> DayResult:
        async with lab.watching():
            opened = BrokerageAccount.objects.filter(pk=bench.account.pk, opened_at__isnull=False)
            await lab.until(opened.exists, "the day is opened")
            await asyncio.to_thread(bench.order, quantity=Decimal(5))
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: held.filter(quantity=5).exists(), "five are held")
            await lab.until(lambda: day_result_of(bench).profit is not None, "the result is known")
            between = await asyncio.to_thread(day_result_of, bench)
            await asyncio.to_thread(bench.order, quantity=Decimal(5), side="sell", role="exit")
            await asyncio.to_thread(lab.work)
            await lab.until(lambda: not held.exists(), "nothing is held")
            await lab.until(lambda: Execution.objects.filter(fee__isnull=True).count() == 0, "the fees are known")
            return between

    between = asyncio.run(story())
    fills = list(Execution.objects.all())
    cash = -sum((Side(each.side).sign * each.quantity * each.price for each in fills), Decimal(0))
    fees = sum((each.fee for each in fills if each.fee is not None), Decimal(0))
    assert fees > 0
    assert day_result_of(bench) == DayResult(cash - fees)
    assert between.profit is not None
    assert abs(between.profit) < 50, "five shares, held for a moment"
