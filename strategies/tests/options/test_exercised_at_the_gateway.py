"""An option that is held to its end: exercised at the gateway, and said so at the fills that come home of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book.options import ended
from brokers.domain.contracts.options import named
from brokers.models import Execution, Position
from brokers.simulator.catalogue import listed, options
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab
from strategies.tests.options.conftest import Trader, name_of, trader_at, worked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clocked(servers: None, settings: Any) -> Iterator[RunningGateway]:
    """A gateway of its own, whose clock goes past the option's end."""
    with running_gateway("fast", behaviour={"day_scoped_orders": False}) as running:
        settings.GATEWAY_URL, settings.SIM_CONTROL_TOKEN = running.url, running.token
        yield running


def in_the_money() -> Instrument:
    """A call on SPY that ends in a week or two, some tenth below the price."""
    share, today = listed.STOCKS["SPY"], timezone.now().date()
    calls = [
        each
        for month in options.months(share.conid, today)[:2]
        for each in options.chain(share.conid, month, share.base_price, today)
        if each.right == "C" and each.expiry is not None and each.expiry > today + timedelta(days=6)
    ]
    first = min(each.expiry for each in calls if each.expiry is not None)
    wanted = share.base_price * 0.9
    return min((each for each in calls if each.expiry == first), key=lambda each: abs(float(each.strike) - wanted))


def test_its_fills_say_that_it_was_exercised(team: Team, clocked: RunningGateway) -> None:
    trader: Trader = trader_at(team, clocked)
    option = in_the_money()
    name, spoken = name_of(option), named(name_of(option))

    def shares_are_home() -> bool:
        return Position.objects.filter(ticker="SPY", quantity=100).exists()

    async def story() -> None:
        async with lab.watching():
            bought = await trader.told(ticker=name, action="buy", quantity=1)
            assert bought.status == "accepted", bought.reason
            await worked(lambda: Position.objects.filter(quantity=1).exists(), "it is held")
            await asyncio.to_thread(clocked.advance, timedelta(days=16).total_seconds())
            await lab.until(shares_are_home, "the shares are home")
            await lab.until(lambda: Execution.objects.filter(order=None).count() == 2, "both fills are home")

    asyncio.run(asyncio.wait_for(story(), 60))
    account = trader.bench.account
    told = sorted(ended.ends(account, list(Execution.objects.filter(account=account))).values())
    strike = f"{option.strike.normalize():f}"
    assert spoken is not None
    assert told == [f"By the exercise of {spoken.spoken}", f"Exercised: 100 SPY bought at {strike}"]
