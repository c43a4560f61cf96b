"""An option by its parts: picked from the chain at the gateway, held, and found again by the way out."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.contracts.options import named
from brokers.models import Order, Position
from brokers.tests import lab
from strategies.models import Decision
from strategies.tests.options.conftest import Trader, worked

pytestmark = pytest.mark.django_db(transaction=True)


def run(story: Any) -> None:
    async def watched() -> None:
        async with lab.watching():
            await story

    asyncio.run(asyncio.wait_for(watched(), 120))


def test_it_is_picked_by_the_price_of_its_share_and_the_exit_finds_what_is_held(trader: Trader) -> None:
    asked = {"ticker": "SPY", "optionType": "call", "expiration": "+1 week", "strikesAway": 2}
    trader.bench.gateway.quote("SPY", bid="628.30", ask="628.40", last="628.35", ttl_s=600)

    async def story() -> None:
        bought = await trader.told(**asked, action="buy", quantity=1)
        assert bought.status == "accepted", bought.reason
        await worked(lambda: Position.objects.filter(quantity=1).exists(), "the position is home")
        # The price has gone on: a rule would pick another contract now, and the exit closes the one that is held.
        trader.bench.gateway.quote("SPY", bid="640.30", ask="640.40", last="640.35", ttl_s=600)
        again = await trader.told(**asked, action="buy", quantity=1)
        assert (again.status, again.rule) == ("rejected", "D05"), again.reason
        closed = await trader.told(ticker="SPY", action="exit")
        assert closed.status == "accepted", closed.reason
        await worked(lambda: not Position.objects.exclude(quantity=0).exists(), "it is closed")

    try:
        run(story())
    finally:
        trader.bench.gateway.clear_quotes()
    first, second = Order.objects.order_by("pk")
    name = named(first.ticker)
    assert name is not None
    assert (name.underlying, name.right) == ("SPY", "C")
    # Strikes of SPY are a dollar apart near the money: 629 is the first above 628.35, and 630 the second.
    assert name.strike == Decimal(630)
    told = Decision.objects.earliest("pk").reason
    assert told.endswith(f"{name.spoken}: second strike out of the money at 628.35.")
    assert (second.ticker, second.conid, second.side) == (first.ticker, first.conid, "sell")


def test_what_cannot_be_picked_is_a_sentence(trader: Trader) -> None:
    async def story() -> None:
        asked = {"ticker": "SPY", "action": "buy", "optionType": "put"}
        saturday = await trader.told(**asked, expiration="2027-01-16")
        assert (saturday.rule, saturday.reason_code) == ("B04", "no-option-fits")
        assert "ends on 16 Jan 2027, a Saturday. The nearest days are" in saturday.reason
        far = await trader.told(**asked, expiration="+9 years")
        assert "The last month listed is" in far.reason
        between = await trader.told(**asked, expiration="+1 week", strikePrice="628.17")
        assert "The nearest are 628 or 62" in between.reason, between.reason
        when = await trader.told(**asked)
        assert (when.reason_code, "Add expiration" in when.reason) == ("option-contract-needed", True)
        nothing = await trader.told(ticker="SPY", action="exit")
        assert nothing.reason_code == "no-option-held"

    run(story())
    assert trader.bench.posts() == []


def test_an_option_on_a_class_share_is_found_again_although_ibkr_leaves_the_point_out(trader: Trader) -> None:
    asked = {"ticker": "BRK.B", "optionType": "call", "expiration": "+1 week"}

    async def story() -> None:
        bought = await trader.told(**asked, action="buy", quantity=1)
        assert bought.status == "accepted", bought.reason
        await worked(lambda: Position.objects.filter(quantity=1, ticker__startswith="BRKB ").exists(), "it is held")
        again = await trader.told(**asked, action="buy", quantity=1)
        assert (again.status, again.rule) == ("rejected", "D05"), again.reason
        closed = await trader.told(ticker="BRK.B", action="exit")
        assert closed.status == "accepted", closed.reason
        await worked(lambda: not Position.objects.exclude(quantity=0).exists(), "it is closed")

    run(story())
    first, second = Order.objects.order_by("pk")
    assert first.ticker.startswith("BRK.B ")
    assert (second.ticker, second.conid) == (first.ticker, first.conid)
