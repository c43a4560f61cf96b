"""Options on an index, by their class: by name and by parts, from the signal to the fill and out again, at the gateway."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from brokers.domain.contracts.options import named
from brokers.models import Order, Position
from brokers.simulator.catalogue import listed
from strategies.models import Decision
from strategies.tests.options.conftest import Trader, listed_options, name_of, worked
from strategies.tests.options.test_by_parts import run

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_weekly_is_picked_by_the_index_and_closed_by_its_share_of_the_name(trader: Trader) -> None:
    asked = {"ticker": "SPXW", "optionType": "call", "expiration": "+1 week", "strikesAway": 1}

    async def story() -> None:
        bought = await trader.told(**asked, action="buy", quantity=1)
        assert bought.status == "accepted", bought.reason
        await worked(lambda: Position.objects.filter(quantity=1).exists(), "the position is home")
        nothing = await trader.told(ticker="SPX", action="exit")
        assert nothing.reason_code == "no-option-held"
        closed = await trader.told(ticker="SPXW", action="exit")
        assert closed.status == "accepted", closed.reason
        await worked(lambda: not Position.objects.exclude(quantity=0).exists(), "it is closed")

    run(story())
    first, second = Order.objects.order_by("pk")
    name = named(first.ticker)
    assert name is not None
    assert (name.underlying, first.asset_class, first.multiplier) == ("SPXW", "option", Decimal(100))
    assert "first strike out of the money at " in Decision.objects.earliest("pk").reason
    assert (second.conid, second.side, second.status) == (first.conid, "sell", "filled")
    sent = [json.loads(entry["body"])["orders"][0] for entry in trader.bench.posts()]
    assert [each["secType"] for each in sent] == [f"{first.conid}:OPT"] * 2


def test_a_monthly_is_bought_by_its_name_also_by_the_day_on_which_it_settles(trader: Trader) -> None:
    chain = [each for each in listed_options("SPX") if each.trading_class == "SPX"]
    option = min(chain, key=lambda each: abs(float(each.strike) - listed.INDICES["SPX"].base_price))
    name = named(name_of(option))
    assert name is not None
    friday = f"SPX {name.expiry.replace(day=name.expiry.day + 1):%y%m%d}C{option.strike.normalize():f}"

    async def story() -> None:
        bought = await trader.told(ticker=friday, action="buy", quantity=1)
        assert bought.status == "accepted", bought.reason
        await worked(lambda: Position.objects.filter(quantity=1).exists(), "the position is home")
        closed = await trader.told(ticker=str(name), action="exit")
        assert closed.status == "accepted", closed.reason
        await worked(lambda: not Position.objects.exclude(quantity=0).exists(), "it is closed")

    run(story())
    assert {order.conid for order in Order.objects.all()} == {option.conid}
