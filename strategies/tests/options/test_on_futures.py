"""Options on futures: by parts and by name, from the signal to the fill and out again, at the gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.contracts.options import named
from brokers.models import ContractLookup, Order, Position
from brokers.simulator.catalogue import futures, options
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from strategies.domain.message.symbols import Kind
from strategies.models import Decision
from strategies.tests.options.conftest import Trader, trader_at, worked
from strategies.tests.options.on_futures import chain_of, code_of, future_of, months_of, name_of
from strategies.tests.options.test_by_parts import run

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


@pytest.fixture
def trader(team: Team, gateway: RunningGateway) -> Iterator[Trader]:
    """Of a strategy for options on futures. The months of ES stand apart, so that nobody counts from the wrong one."""
    made = trader_at(team, gateway, kind=Kind.FUTURE_OPTION)
    for month, price in zip(months_of("ES"), (6401, 6463, 6527, 6589), strict=False):
        gateway.quote(month.conid, bid=D(price), ask=D(price), last=D(price), ttl_s=600)
    yield made
    gateway.clear_quotes()


def test_it_is_picked_by_the_price_of_its_own_future_and_the_exit_finds_what_is_held(trader: Trader) -> None:
    asked = {"ticker": "ES1!", "optionType": "call", "expiration": "+1 week", "strikesAway": 1}

    async def story() -> None:
        bought = await trader.told(**asked, action="buy", quantity=1)
        assert bought.status == "accepted", bought.reason
        await worked(lambda: Position.objects.filter(quantity=1).exists(), "the position is home")
        again = await trader.told(**asked, action="buy", quantity=1)
        assert (again.status, again.rule) == ("rejected", "D05"), again.reason
        closed = await trader.told(ticker="ES", action="exit")
        assert closed.status == "accepted", closed.reason
        await worked(lambda: not Position.objects.exclude(quantity=0).exists(), "it is closed")

    run(story())
    first, second = Order.objects.order_by("pk")
    name = named(first.ticker)
    assert name is not None
    option = options.find(first.conid)
    assert option is not None
    assert (first.ticker, first.asset_class, first.multiplier) == (name_of(option), "future_option", D(50))
    price = dict(zip([each.conid for each in months_of("ES")], (6401, 6463, 6527, 6589), strict=False))[
        option.underlying_conid
    ]
    above = [each.strike for each in chain_of("ES") if each.expiry == option.expiry and each.strike > price]
    assert name.strike == min(above)
    assert (name.expiry - timezone.now().date()).days >= 7
    told = Decision.objects.earliest("pk").reason
    assert told.endswith(f"{name.spoken}: first strike out of the money at {price}.")
    assert (second.ticker, second.conid, second.side) == (first.ticker, first.conid, "sell")
    sent = [json.loads(entry["body"])["orders"][0] for entry in trader.bench.posts()]
    assert [each["secType"] for each in sent] == [f"{option.conid}:FOP"] * 2
    # The exchange wants to know who sends orders in futures and in options on them.
    assert [(each["manualIndicator"], bool(each["extOperator"])) for each in sent] == [(False, True)] * 2


def test_an_option_of_a_later_month_is_counted_from_the_later_future(trader: Trader) -> None:
    later = next(each for each in chain_of("ES") if future_of(each) == months_of("ES")[1])
    asked = {"ticker": "ES", "optionType": "put", "expiration": f"{later.expiry:%Y-%m-%d}", "strikesAway": 1}

    async def story() -> None:
        bought = await trader.told(**asked, action="buy", quantity=1)
        assert bought.status == "accepted", bought.reason

    run(story())
    name = named(Order.objects.get().ticker)
    assert name is not None
    assert (name.future, name.expiry) == (code_of(later), later.expiry)
    below = [each.strike for each in chain_of("ES") if each.expiry == later.expiry and each.strike < 6463]
    assert name.strike == max(below)


@pytest.mark.parametrize("root", ["ES", "NQ", "CL"])
def test_it_is_bought_and_closed_by_its_name(trader: Trader, root: str) -> None:
    product = futures.underlying(root)
    assert product is not None
    option = min(chain_of(root), key=lambda each: (abs(float(each.strike) - product.base_price), each.expiry))
    name = name_of(option)

    async def story() -> None:
        bought = await trader.told(ticker=name, action="buy", quantity=2)
        assert bought.status == "accepted", bought.reason
        await worked(lambda: Order.objects.get().status == "filled", "it is filled")
        await worked(lambda: Position.objects.filter(quantity=2, ticker=name).exists(), "the position is home")
        closed = await trader.told(ticker=name, action="exit")
        assert closed.reason == f"Exit all 2 contracts of {name} held long."
        await worked(lambda: not Position.objects.exclude(quantity=0).exists(), "it is closed")

    run(story())
    first, second = Order.objects.order_by("pk")
    assert (first.conid, first.multiplier, first.currency) == (option.conid, option.multiplier, "USD")
    assert (second.side, second.status) == ("sell", "filled")
    lookup = ContractLookup.objects.get(asset_class="future_option")
    assert (lookup.ticker, lookup.multiplier, lookup.exchange) == (name, option.multiplier, option.exchange)


def test_what_does_not_exist_is_refused_in_a_sentence_and_nothing_is_sent(trader: Trader) -> None:
    option = min(chain_of("ES"), key=lambda each: (abs(float(each.strike) - 6400), each.expiry))
    future, last, strike = code_of(option), option.expiry, f"{option.strike.normalize():f}"
    other = next(code_of(each) for each in chain_of("ES") if code_of(each) != future)
    assert last is not None

    async def story() -> None:
        def told(**values: Any) -> Any:
            return trader.told(action="buy", quantity=1, **values)

        saturday = last + timedelta(days=5 - last.weekday())
        no_day = await told(ticker=f"{future} {saturday:%y%m%d}C{strike}")
        assert (no_day.status, no_day.reason_code) == ("rejected", "unknown-symbol"), no_day.reason
        assert "The nearest days are" in no_day.reason
        between = await told(ticker=f"{future} {last:%y%m%d}C{strike}.01")
        assert "The nearest strikes are" in between.reason
        wrong = await told(ticker=f"{other} {last:%y%m%d}C{strike}")
        assert f"none is on {other}. Send {name_of(option)}." in wrong.reason
        nobody = await told(ticker="ZZZ", optionType="call", expiration="+1 week")
        assert "IBKR lists no future with the root ZZZ." in nobody.reason
        none = await told(ticker="MCL", optionType="call", expiration="+1 week")
        assert "IBKR lists no options on the future MCL to this login now." in none.reason
        far = await told(ticker="ES", optionType="call", expiration="+9 years")
        assert "The last month listed is" in far.reason
        no_month = await told(ticker="ESZ2031", optionType="call", expiration="+1 week")
        assert "IBKR lists no ES future for December 2031." in no_month.reason
        nothing = await trader.told(ticker="ES", action="exit")
        assert nothing.reason_code == "no-option-held"

    run(story())
    assert trader.bench.posts() == []


def test_a_written_one_has_the_margin_of_ibkrs_preview(trader: Trader) -> None:
    option = min(chain_of("ES", "P"), key=lambda each: (abs(float(each.strike) - 6300), each.expiry))

    async def story() -> None:
        sold = await trader.told(ticker=name_of(option), action="sell", quantity=1)
        assert sold.status == "accepted", sold.reason
        await worked(lambda: Order.objects.get().status == "filled", "it is filled")

    run(story())
    plan = Decision.objects.earliest("pk").plan
    assert plan is not None
    (line,) = plan["estimates"]
    assert line["margin_from"] == "preview"
    # 0.85 USD for the broker and 0.57 for the exchange.
    assert (line["fee"], line["fee_currency"]) == ("1.42", "USD")


def test_an_option_strategy_takes_what_is_plainly_on_a_future(team: Team, gateway: RunningGateway) -> None:
    trader = trader_at(team, gateway)

    async def story() -> None:
        bought = await trader.told(ticker="ES1!", action="buy", optionType="call", expiration="+1 week", quantity=1)
        assert bought.status == "accepted", bought.reason
        await worked(lambda: Position.objects.filter(quantity=1).exists(), "the position is home")
        held = await asyncio.to_thread(lab.asked, lambda: Position.objects.get().ticker)
        closed = await trader.told(ticker=held, action="exit")
        assert closed.status == "accepted", closed.reason

    run(story())
    assert {order.asset_class for order in Order.objects.all()} == {"future_option"}
