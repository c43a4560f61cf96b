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
from strategies.domain.message.symbols import Kind
from strategies.tests.options import on_futures
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


def test_an_option_on_a_future_becomes_that_future_at_the_strike(team: Team, clocked: RunningGateway) -> None:
    trader = trader_at(team, clocked, kind=Kind.FUTURE_OPTION)
    today = timezone.now().date()
    weekly = [
        each
        for each in on_futures.chain_of("ES")
        if each.expiry is not None and today + timedelta(days=6) < each.expiry < today + timedelta(days=15)
    ]
    wanted = on_futures.future_of(weekly[0]).base_price * 0.97
    option = min(weekly, key=lambda each: (each.expiry, abs(float(each.strike) - wanted)))
    name, spoken = on_futures.name_of(option), named(on_futures.name_of(option))
    assert spoken is not None

    def future_is_home() -> bool:
        return Position.objects.filter(ticker=spoken.future, asset_class="future", quantity=1).exists()

    async def story() -> None:
        async with lab.watching():
            bought = await trader.told(ticker=name, action="buy", quantity=1)
            assert bought.status == "accepted", bought.reason
            await worked(lambda: Position.objects.filter(quantity=1).exists(), "it is held")
            assert option.expiry is not None
            # Its last day is the exchange's, which is behind ours in the night.
            days = (option.expiry - today).days + 2
            await asyncio.to_thread(clocked.advance, timedelta(days=days).total_seconds())
            await lab.until(future_is_home, "the future is home")
            await lab.until(lambda: Execution.objects.filter(order=None).count() == 2, "both fills are home")

    asyncio.run(asyncio.wait_for(story(), 60))
    account = trader.bench.account
    told = sorted(ended.ends(account, list(Execution.objects.filter(account=account))).values())
    assert told[0] == f"By the exercise of {spoken.spoken}"
    assert told[1].startswith("Exercised: 1 ES")
    assert told[1].endswith(f" bought at {option.strike.normalize():f}")
