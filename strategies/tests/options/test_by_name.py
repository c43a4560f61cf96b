"""An option by its own name, from the signal to the fill and out again, at the gateway."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from brokers.models import ContractLookup, Order, Position
from brokers.tests import lab
from strategies.models import Decision
from strategies.tests.options.conftest import Trader, listed_options, name_of, worked

pytestmark = pytest.mark.django_db(transaction=True)


def run(story: Any) -> None:
    async def watched() -> None:
        async with lab.watching():
            await story

    asyncio.run(asyncio.wait_for(watched(), 120))


def near_the_money(right: str = "C") -> Any:
    """An option on AAPL that has a price: its strike is the nearest to where the walk of prices begins."""
    return min(listed_options("AAPL", right), key=lambda each: abs(float(each.strike) - 231))


def estimate() -> dict[str, Any]:
    """What the one order of the first decision was expected to cost."""
    plan = Decision.objects.earliest("pk").plan
    assert plan is not None
    (line,) = plan["estimates"]
    return dict(line)


def test_it_is_bought_and_closed(trader: Trader) -> None:
    option = near_the_money()
    name = name_of(option)

    async def story() -> None:
        bought = await trader.told(ticker=name, action="buy", quantity=2)
        assert bought.status == "accepted", bought.reason
        await worked(lambda: Order.objects.get().status == "filled", "it is filled")
        await worked(lambda: Position.objects.filter(quantity=2).exists(), "the position is home")
        closed = await trader.told(ticker=name, action="exit")
        assert closed.reason == f"Exit all 2 contracts of {name} held long."
        await worked(lambda: not Position.objects.exclude(quantity=0).exists(), "it is closed")

    run(story())
    first, second = Order.objects.order_by("pk")
    assert (first.ticker, first.asset_class, first.conid) == (name, "option", option.conid)
    assert (first.multiplier, first.currency) == (Decimal(100), "USD")
    assert (second.side, second.quantity, second.status) == ("sell", Decimal(2), "filled")
    sent = [json.loads(entry["body"])["orders"][0] for entry in trader.bench.posts()]
    assert [each["secType"] for each in sent] == [f"{option.conid}:OPT"] * 2
    lookup = ContractLookup.objects.get(asset_class="option")
    assert (lookup.ticker, lookup.multiplier) == (name, Decimal(100))
    # A premium of some dollars: 0.65 USD a contract, of which there are two.
    line = estimate()
    assert (line["fee"], line["fee_currency"]) == ("1.30", "USD")
    assert line["margin_from"] == "rule"


def test_what_does_not_exist_is_refused_in_a_sentence(trader: Trader) -> None:
    option = near_the_money()
    underlying, tail = name_of(option).split(" ")
    day, strike = tail[:6], tail[7:]

    async def story() -> None:
        # A day on which none ends: the day after its Friday.
        saturday = f"{underlying} {day[:4]}{int(day[4:]) + 1:02d}C{strike}"
        refused = await trader.told(ticker=saturday, action="buy")
        assert (refused.status, refused.reason_code) == ("rejected", "unknown-symbol")
        assert "The nearest days are" in refused.reason
        between = await trader.told(ticker=f"{underlying} {day}C{int(strike) + 1}.01", action="buy")
        assert "The nearest strikes are" in between.reason
        far = await trader.told(ticker=f"{underlying} 291221C{strike}", action="buy")
        assert "The months nearest to it are" in far.reason
        nobody = await trader.told(ticker=f"ZZZZZ {day}C{strike}", action="buy")
        assert "IBKR lists no options on a US share ZZZZZ" in nobody.reason
        index = await trader.told(ticker=f"SOX {day}C6000", action="buy")
        assert "SOX is the PHLX Semiconductor index" in index.reason
        assert "on which Halyard trades no options" in index.reason

    run(story())
    assert trader.bench.posts() == []


def test_a_written_put_has_the_margin_of_ibkrs_preview(trader: Trader) -> None:
    name = name_of(near_the_money("P"))

    async def story() -> None:
        sold = await trader.told(ticker=name, action="sell", quantity=1)
        assert sold.status == "accepted", sold.reason
        await worked(lambda: Order.objects.get().status == "filled", "it is filled")

    run(story())
    line = estimate()
    assert line["margin_from"] == "preview"
    assert Decimal(line["margin"]) > 1000
