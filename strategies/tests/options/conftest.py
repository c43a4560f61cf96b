"""An account with money at the gateway, a strategy for options that it follows, and the options that are listed today."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.contracts.options import OptionName
from brokers.models import Order
from brokers.simulator.catalogue import listed, options
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.domain.message.message import Message
from strategies.domain.message.symbols import Kind
from strategies.models import Decision, Strategy
from strategies.reading.contract import read
from strategies.setup import strategies
from strategies.tests import rows


def listed_options(underlying: str, right: str = "C") -> list[Instrument]:
    """The options of a share or an index that end in the month after next, by the gateway's own catalogue."""
    today = timezone.now().date()
    share = listed.STOCKS.get(underlying) or listed.INDICES[underlying]
    month = options.months(share.conid, today)[2]
    return [each for each in options.chain(share.conid, month, share.base_price, today) if each.right == right]


def name_of(option: Instrument) -> str:
    """Our name of an option of the catalogue."""
    assert option.expiry is not None
    underlying = option.trading_class if option.underlying_type == "IND" else option.symbol
    return str(OptionName(underlying=underlying, expiry=option.expiry, right=option.right, strike=option.strike))


@dataclass
class Trader:
    """Sends signals to one strategy, and waits for what comes of them."""

    bench: lab.Lab
    strategy: Strategy

    def send(self, **values: Any) -> Callable[[], bool]:
        """A signal; the answer says whether it is decided."""
        kind = Kind(self.strategy.asset_class)
        message, _ = read(values, kind=kind, allowed_tickers=(), now=timezone.now())
        signal = rows.signal(self.strategy, timezone.now(), reading=Message.reading(message))

        def settled() -> bool:
            settle.settle_waiting(timezone.now())
            return Decision.objects.filter(signal=signal).exclude(status="pending").exists()

        return settled

    async def told(self, **values: Any) -> Decision:
        """The decision of a signal, once it is taken."""
        settled = await asyncio.to_thread(lab.asked, lambda: self.send(**values))
        await worked(settled, "it is decided")
        return await asyncio.to_thread(lab.asked, lambda: Decision.objects.select_related("ticket").latest("pk"))


async def worked(seen: Callable[[], bool], what: str) -> None:
    """Work the lanes until something is seen."""
    for _ in range(30):
        if await asyncio.to_thread(lab.holds, seen):
            return
        await asyncio.to_thread(lab.work)
    orders = await asyncio.to_thread(lab.asked, lambda: list(Order.objects.values_list("ticker", "status", "reason")))
    pytest.fail(f"still waiting until {what}: {orders}")


@pytest.fixture
def trader(team: Team, gateway: RunningGateway) -> Trader:
    return trader_at(team, gateway)


def trader_at(team: Team, gateway: RunningGateway, *, kind: Kind = Kind.OPTION) -> Trader:
    bench = lab.make(team, gateway)
    now = timezone.now()
    made = strategies.create_strategy(team=team, actor=None, name="Options", asset_class=kind, now=now)
    rows.subscription(made, bench.account, now, quantity=Decimal(1))
    return Trader(bench, made)
