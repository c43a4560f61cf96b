"""Options whose share is split at the gateway: what is held is found by its name of before, and closed whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from brokers.domain.contracts.options import named
from brokers.models import BrokerageAccount, CorporateAction, Order, Position
from brokers.orders import closing
from brokers.simulator.catalogue import listed
from brokers.simulator.catalogue.instrument import Instrument
from brokers.tests import lab
from strategies.tests.options.conftest import Trader, listed_options, name_of, worked

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


def run(story: Any) -> None:
    async def watched() -> None:
        async with lab.watching():
            await story

    asyncio.run(watched())


def near_the_money(symbol: str) -> list[Instrument]:
    """The calls on a share at the nearest end of a month, those around its price first."""
    chain = listed_options(symbol)
    first = min(each.expiry for each in chain if each.expiry is not None)
    price = listed.STOCKS[symbol].base_price
    return sorted((each for each in chain if each.expiry == first), key=lambda each: abs(float(each.strike) - price))


def holds(**held: int) -> Callable[[], bool]:
    """Whether just these options are held, by name; a stroke stands for the blank."""
    wanted = {(name.replace("__", " "), D(quantity)) for name, quantity in held.items()}

    def look() -> bool:
        BrokerageAccount.objects.update(book_wanted_at=timezone.now())
        return set(Position.objects.exclude(quantity=0).values_list("ticker", "quantity")) == wanted

    return look


def key(name: str) -> str:
    return name.replace(" ", "__")


async def asked(question: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(lab.asked, question)


def over(*tickers: str) -> Callable[[], bool]:
    orders = Order.objects.filter(ticker__in=tickers).exclude(status__in=["filled", "canceled", "rejected"])
    return lambda: not orders.exists()


def sent(trader: Trader) -> dict[str, Any]:
    last: dict[str, Any] = json.loads(trader.bench.posts()[-1]["body"])["orders"][0]
    return last


def test_after_a_whole_split_the_name_of_before_closes_all_of_it(trader: Trader) -> None:
    option = near_the_money("HSY")[0]
    old = name_of(option)
    name = named(old)
    assert name is not None
    new = f"HSY {name.expiry:%y%m%d}C{(name.strike / 2).normalize():f}"
    stop = {"role": "stop_loss", "side": "sell", "type": "stop"}

    async def story() -> None:
        bought = await trader.told(ticker=old, action="buy", quantity=2, stopLoss={"percent": 60})
        assert bought.status == "accepted", bought.reason
        await worked(holds(**{key(old): 2}), "it is bought")
        await worked(lambda: Order.objects.filter(**stop, status="accepted").exists(), "its stop works")
        await asyncio.to_thread(trader.bench.gateway.split, "HSY", 2)
        await worked(holds(**{key(new): 4}), "the split is seen")
        await worked(lambda: Order.objects.filter(**stop, status="canceled").exists(), "IBKR has taken its stop back")
        # Who buys more by the name of before names another contract, or none.
        more = await trader.told(ticker=old, action="buy", quantity=1)
        assert more.reason_code == "option-renamed", more.reason
        assert f"A split made {named(new).spoken} of {name.spoken}, and 4 of it are held." in more.reason  # type: ignore[union-attr]
        # One of it is two of what it has become, and so is its price.
        half = await trader.told(ticker=old, action="exit", quantity=1, orderType="limit", limitPrice="0.20")
        assert half.status == "accepted", half.reason
        await worked(holds(**{key(new): 2}), "the half of it is sold")
        part = await asyncio.to_thread(Order.objects.get, role="exit")
        assert (part.quantity, part.limit_price) == (D(2), D("0.1"))
        closed = await trader.told(ticker=old, action="exit")
        assert closed.status == "accepted", closed.reason
        assert closed.reason == f"Exit all 2 contracts of {new} held long."
        await worked(holds(), "it is closed")

    run(story())
    (action,) = CorporateAction.objects.all()
    assert (action.ticker_before, action.ticker, action.conid_before) == (old, new, option.conid)
    assert sent(trader)["secType"] == f"{action.conid}:OPT"
    assert (sent(trader)["side"], sent(trader)["quantity"]) == ("SELL", 2)


def test_a_contract_that_a_split_has_changed_is_closed_by_its_parts_and_never_opened(trader: Trader) -> None:
    option = near_the_money("CLX")[0]
    old = name_of(option)
    new = old.replace("CLX ", "CLX1 ")

    async def story() -> None:
        bought = await trader.told(ticker=old, action="buy", quantity=3)
        assert bought.status == "accepted", bought.reason
        await worked(holds(**{key(old): 3}), "it is bought")
        await asyncio.to_thread(trader.bench.gateway.split, "CLX", 3, 2)
        await worked(holds(**{key(new): 3}), "the split is seen")
        expiry = named(old).expiry.isoformat()  # type: ignore[union-attr]
        # By the same strike and day a usual contract is listed, and that is another one.
        parts = {"optionType": "call", "expiration": expiry, "strikePrice": str(option.strike)}
        closed = await trader.told(ticker="CLX", action="exit", **parts)
        assert closed.status == "accepted", closed.reason
        assert closed.reason == f"Exit all 3 contracts of {new} held long."
        await worked(holds(), "it is closed")
        more = await trader.told(ticker=new, action="buy", quantity=1)
        assert more.reason_code == "option-adjusted", more.reason
        usual = await trader.told(
            ticker="CLX", action="buy", quantity=1, optionType="call", expiration=expiry, strikesAway=1
        )
        assert usual.status == "accepted", usual.reason
        await worked(lambda: Position.objects.filter(quantity=1).exists(), "a usual one is picked")

    run(story())
    assert not Position.objects.filter(ticker__startswith="CLX1").exists()
    assert CorporateAction.objects.get().ratio.is_one  # type: ignore[union-attr]


def test_a_vertical_is_closed_as_one_by_its_legs_of_before(trader: Trader) -> None:
    by_strike = sorted(near_the_money("KMB")[:5], key=lambda each: each.strike)
    long, short = by_strike[0], by_strike[-1]
    legs = [{"ticker": name_of(long), "side": "buy"}, {"ticker": name_of(short), "side": "sell"}]
    after = [
        f"KMB {each.expiry:%y%m%d}C{(each.strike / 5).quantize(D('0.01')).normalize():f}" for each in (long, short)
    ]

    async def story() -> None:
        bought = await trader.told(ticker="KMB", action="buy", quantity=2, legs=legs)
        assert bought.status == "accepted", bought.reason
        await worked(holds(**{key(name_of(long)): 2, key(name_of(short)): -2}), "it is bought")
        await asyncio.to_thread(trader.bench.gateway.split, "KMB", 5)
        await worked(holds(**{key(after[0]): 10, key(after[1]): -10}), "the split is seen")
        alone = await trader.told(ticker=after[0], action="exit")
        assert alone.reason_code == "leg-of-a-combo", alone.reason
        closed = await trader.told(ticker="KMB", action="exit", legs=legs)
        assert closed.status == "accepted", closed.reason
        await worked(holds(), "both legs are closed")

    run(story())
    assert Order.objects.filter(conid__lt=0, status="filled").count() == 2
    assert over(*after)()


def test_a_gateway_that_keeps_numbers_names_other_contracts_by_them(trader: Trader) -> None:
    """What was of two by the names of before is of eight by those of now: a signal and a person close all of it."""
    by_strike = sorted(near_the_money("STZ")[:5], key=lambda each: each.strike)
    long, short = by_strike[0], by_strike[-1]
    legs = [{"ticker": name_of(long), "side": "buy"}, {"ticker": name_of(short), "side": "sell"}]
    after = [
        f"STZ {each.expiry:%y%m%d}C{(each.strike / 4).quantize(D('0.01')).normalize():f}" for each in (long, short)
    ]

    def press() -> None:
        account = BrokerageAccount.objects.get()
        closing.close(
            account=account, conid=long.conid, ticker=after[0], asset_class="option", reason="Enough.", actor=None,
            now=timezone.now(),
        )  # fmt: skip

    async def story() -> None:
        bought = await trader.told(ticker="STZ", action="buy", quantity=2, legs=legs)
        assert bought.status == "accepted", bought.reason
        await worked(holds(**{key(name_of(long)): 2, key(name_of(short)): -2}), "it is bought")
        await asyncio.to_thread(lambda: trader.bench.gateway.split("STZ", 4, keeps_numbers=True))
        await worked(holds(**{key(after[0]): 8, key(after[1]): -8}), "the split is seen")
        part = await trader.told(ticker="STZ", action="exit", quantity=1, legs=legs)
        assert part.status == "accepted", part.reason
        await worked(holds(**{key(after[0]): 4, key(after[1]): -4}), "one of before is sold")
        await asyncio.to_thread(lab.asked, press)
        await worked(holds(), "a person closes the rest")

    run(story())
    assert set(CorporateAction.objects.values_list("conid_before", "conid")) == {
        (long.conid, long.conid),
        (short.conid, short.conid),
    }
    ways_out = Order.objects.filter(role="exit").order_by("pk")
    assert [(order.quantity, order.ticker) for order in ways_out] == [
        (D(4), f"{after[0]}/{after[1].partition('C')[2]}")
    ] * 2
    assert sent(trader)["conidex"].endswith(f"{long.conid}/1,{short.conid}/-1")
