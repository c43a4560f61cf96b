"""Stops outside regular hours at a market that closes: with `outsideRTH` they work, without it they sleep until the open."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import AssetClass, Instrument, OrderIntent, OrderType, Release, Role, Side, TimeInForce
from brokers.models import Order
from brokers.orders import tickets
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)
NEW_YORK = ZoneInfo("America/New_York")
SHARE = (Instrument(ticker="AAPL"), time(17, 30))
FUTURE = (Instrument(ticker="ES", asset_class=AssetClass.FUTURE), time(20, 0))


@pytest.fixture(scope="session")
def sleeping(servers: None) -> Iterator[RunningGateway]:
    """A gateway of its own, whose market closes and whose clock these tests move. For all tests of a run."""
    with running_gateway("fast", behaviour={"market_always_open": False, "day_scoped_orders": False}) as running:
        yield running


@pytest.fixture
def night(sleeping: RunningGateway, settings: Any) -> Iterator[RunningGateway]:
    settings.GATEWAY_URL, settings.SIM_CONTROL_TOKEN = sleeping.url, sleeping.token
    sleeping.restart()
    yield sleeping
    sleeping.clear_quotes()


def go_to(gateway: RunningGateway, at: time) -> None:
    """The evening of the next Tuesday but one: no holiday of an exchange falls on it by the calendars' rules."""
    now = datetime.now(UTC)
    day = (now + timedelta(days=(1 - now.weekday()) % 7 + 7)).date()
    gateway.advance((datetime.combine(day, at, NEW_YORK) - now).total_seconds())


def conid_of(bench: lab.Lab, instrument: Instrument) -> int:
    if instrument.asset_class is AssetClass.STOCK:
        return 265598
    listed = bench.gateway.call(bench.user, "GET", f"/trsrv/futures?symbols={instrument.ticker}")[1]
    return int(listed[instrument.ticker][1]["conid"])


def lived(*steps: Callable[[], object]) -> None:
    async def story() -> None:
        async with lab.watching():
            for step in steps:
                while not await asyncio.to_thread(lab.holds, step):
                    await asyncio.to_thread(lab.work)

    asyncio.run(asyncio.wait_for(story(), 90))


def protected(bench: lab.Lab, instrument: Instrument, conid: int, *, outside: bool, kind: OrderType) -> Order:
    """One unit is bought in the evening, and its stop has the price of 90."""
    bench.gateway.quote(conid, bid=100, ask=101, last=100)
    stop = OrderIntent(
        role=Role.STOP_LOSS,
        instrument=instrument,
        side=Side.SELL,
        type=kind,
        quantity=Decimal(1),
        stop_price=Decimal(90),
        limit_price=Decimal(80) if kind is OrderType.STOP_LIMIT else None,
        time_in_force=TimeInForce.GTC,
        outside_rth=outside,
        release=Release.WITH_PARENT,
    )
    entry = OrderIntent(
        role=Role.ENTRY,
        instrument=instrument,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=Decimal(1),
        limit_price=Decimal(110),
        outside_rth=True,
        then=(stop,),
    )
    draft = tickets.Draft(
        account=bench.account,
        key=uuid.uuid4(),
        conid=conid,
        currency="USD",
        multiplier=Decimal(1),
        intents=(entry,),
        cancels=(),
        expires_at=timezone.now() + timedelta(minutes=2),
    )
    with transaction.atomic():
        [ticket] = tickets.open_tickets([draft], timezone.now())
    leg: Order = ticket.orders.get(role="stop_loss")
    lived(lambda: ticket.orders.get(role="entry").status == "filled", lambda: status(leg) == "accepted")
    return leg


def status(order: Order) -> str:
    return str(Order.objects.values_list("status", flat=True).get(pk=order.pk))


def at_broker(bench: lab.Lab, order: Order) -> str:
    """What the broker's books say of it a few looks after the market has fallen through its stop."""
    for _ in range(3):
        bench.at_broker()
    return str(bench.gateway.books(bench.user)[order.reference]["status"])


@pytest.mark.parametrize("kind", [OrderType.STOP, OrderType.STOP_LIMIT])
@pytest.mark.parametrize(("instrument", "evening"), [SHARE, FUTURE], ids=["share", "future"])
@pytest.mark.parametrize("outside", [True, False], ids=["outside", "regular"])
def test_a_stop_works_at_night_where_it_was_told_to_and_sleeps_elsewhere(
    team: Team, night: RunningGateway, instrument: Instrument, evening: time, outside: bool, kind: OrderType
) -> None:
    go_to(night, evening)
    bench = lab.make(team, night)
    conid = conid_of(bench, instrument)
    stop = protected(bench, instrument, conid, outside=outside, kind=kind)
    night.quote(conid, bid=85, ask=86, last=85)
    if outside:
        lived(lambda: status(stop) == "filled")
    else:
        assert at_broker(bench, stop) != "Filled"
        assert status(stop) == "accepted"


def test_the_switch_lets_legs_of_futures_work_all_night(team: Team, night: RunningGateway) -> None:
    instrument, evening = FUTURE
    go_to(night, evening)
    bench = lab.make(team, night)
    conid = conid_of(bench, instrument)
    with night.behaving(legs_sleep_at_night=False):
        stop = protected(bench, instrument, conid, outside=False, kind=OrderType.STOP)
        night.quote(conid, bid=85, ask=86, last=85)
        lived(lambda: status(stop) == "filled")
