"""Combos beside what somebody does at IBKR: closed leg by leg and bought again, a leg assigned, and legs that two combos share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from brokers.domain.contracts.combos import number_of
from brokers.models import BrokerageAccount, ContractLookup, Order, Position
from brokers.orders import orphans
from brokers.simulator.catalogue.instrument import Instrument
from strategies.tests.options.conftest import Trader, listed_options, name_of, worked
from strategies.tests.options.test_combos import asked, holds, legs, run, sent, vertical

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


@pytest.fixture
def three(trader: Trader) -> Iterator[tuple[Trader, Instrument, Instrument, Instrument]]:
    """Calls of one day at 8, at 5 and at 3."""
    first, second = vertical()
    third = next(
        each for each in listed_options("AAPL") if each.expiry == second.expiry and each.strike > second.strike
    )
    for option, bid in ((first, 8), (second, 5), (third, 3)):
        trader.bench.gateway.quote(option.conid, bid=f"{bid}.00", ask=f"{bid}.20", last=f"{bid}.10", ttl_s=900)
    yield trader, first, second, third
    trader.bench.gateway.clear_quotes()


async def by_hand(trader: Trader, option: Instrument, side: str, quantity: int = 1) -> None:
    await asyncio.to_thread(
        trader.bench.gateway.by_hand, trader.bench.user, conid=option.conid, quantity=quantity, side=side, type="MKT"
    )


async def ordered(trader: Trader, **values: Any) -> None:
    """An order of ours that no rule of today would plan."""
    await asked(lambda: trader.bench.order(asset_class="option", multiplier=D(100), **values))


def test_a_combo_that_was_closed_by_hand_keeps_no_option_that_is_bought_again(
    three: tuple[Trader, Instrument, Instrument, Instrument],
) -> None:
    trader, long, short, _ = three

    async def story() -> None:
        await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short))
        await worked(holds((long, 1), (short, -1)), "both legs are home")
        await by_hand(trader, long, "SELL")
        await by_hand(trader, short, "BUY")
        await worked(lambda: not Position.objects.exists(), "both legs are gone")
        bought = await trader.told(ticker=name_of(long), action="buy", quantity=1)
        assert bought.status == "accepted", bought.reason
        await worked(holds((long, 1)), "the option is home")
        await ordered(trader, conid=short.conid, ticker=name_of(short), side="sell")
        await worked(holds((long, 1), (short, -1)), "both are home")
        closed = await trader.told(ticker=name_of(short), action="exit")
        assert closed.status == "accepted", closed.reason
        await worked(holds((long, 1)), "the short one is closed")
        closed = await trader.told(ticker=name_of(long), action="exit")
        assert closed.status == "accepted", closed.reason
        await worked(lambda: not Position.objects.exists(), "the long one is closed")

    run(story())
    ways = [("conidex" in each, each["side"]) for each in sent(trader)]
    assert ways == [(True, "BUY"), (False, "BUY"), (False, "SELL"), (False, "BUY"), (False, "SELL")]


def test_a_combo_whose_short_leg_is_assigned_early_is_closed_by_what_is_left(
    three: tuple[Trader, Instrument, Instrument, Instrument],
) -> None:
    trader, long, short, _ = three

    async def story() -> None:
        await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short))
        await worked(holds((long, 1), (short, -1)), "both legs are home")
        # Its buyer takes the shares, overnight: no order and no fill tells of it.
        gateway, user = trader.bench.gateway, trader.bench.user
        await asyncio.to_thread(gateway.hold, user, conid=short.conid, quantity=0)
        await asyncio.to_thread(gateway.hold, user, symbol="AAPL", quantity=-100)
        await asked(lambda: BrokerageAccount.objects.update(book_wanted_at=timezone.now()))
        await worked(lambda: not Position.objects.filter(conid=short.conid).exists(), "the short leg is gone")
        whole = await trader.told(ticker="AAPL", action="exit", legs=legs(long, short))
        assert (whole.status, whole.reason_code) == ("rejected", "combo-leg-gone"), whole.reason
        assert f'"ticker": "{name_of(long)}"' in whole.reason
        closed = await trader.told(ticker=name_of(long), action="exit")
        assert closed.status == "accepted", closed.reason
        await worked(lambda: not Position.objects.filter(conid=long.conid).exists(), "the long leg is closed")

    run(story())
    assert [("conidex" in each, each["side"]) for each in sent(trader)] == [(True, "BUY"), (False, "SELL")]
    assert Position.objects.get().ticker == "AAPL"


def test_the_outer_legs_of_two_combos_that_share_one_leave_with_their_combos(
    three: tuple[Trader, Instrument, Instrument, Instrument], settings: Any
) -> None:
    trader, first, second, third = three
    settings.BOOK_FRESH_SECONDS = 600
    other = number_of(second.conid, third.conid)
    name = f"{name_of(second)}/{third.strike.normalize():f}"

    async def story() -> None:
        await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(first, second))
        await worked(holds((first, 1), (second, -1)), "both legs are home")
        await ordered(trader, conid=other, ticker=name)
        # What one has written and the other has bought IBKR lists nowhere.
        await worked(holds((first, 1), (third, -1)), "what is left of both is home")
        for leg in (first, third):
            refused = await trader.told(ticker=name_of(leg), action="exit")
            assert (refused.status, refused.reason_code) == ("rejected", "leg-of-a-combo"), refused.reason
        waits = await trader.told(
            ticker="AAPL",
            action="exit",
            orderType="limit",
            limitPrice="4.5",
            timeInForce="gtc",
            legs=legs(first, second),
        )
        assert waits.status == "accepted", waits.reason
        await worked(lambda: Order.objects.filter(status="accepted").count() == 1, "the exit works")
        # It stays, however long nothing of one leg is listed.
        await worked(lambda: Order.objects.filter(status="accepted").count() == 1, "it works still")
        assert await asked(lambda: orphans.cancel(timezone.now() + timedelta(minutes=2))) == 0
        for pair, left in (((first, second), {(second, 1), (third, -1)}), ((second, third), set())):
            closed = await trader.told(ticker="AAPL", action="exit", legs=legs(*pair))
            assert closed.status == "accepted", closed.reason
            await worked(holds(*left), "one combo is closed after the other")

    knows_combo(trader, other, name)
    run(story())
    assert all("conidex" in each for each in sent(trader))


def knows_combo(trader: Trader, number: int, name: str) -> None:
    ContractLookup.objects.create(
        connection=trader.bench.connection, ticker=name, asset_class="option", status="found", conid=number,
        answered_at=timezone.now(), multiplier=D(100),
    )  # fmt: skip


def test_a_signal_moves_the_limit_of_a_combo_and_its_size(
    three: tuple[Trader, Instrument, Instrument, Instrument],
) -> None:
    trader, long, short, _ = three

    def limit(side: str, price: str, quantity: int) -> bool:
        works = Order.objects.filter(status="accepted")
        return list(works.values_list("side", "limit_price", "quantity")) == [(side, D(price), D(quantity))]

    async def story() -> None:
        # For a credit, as its legs are written; then what works is told another one.
        order = {"orderType": "limit", "limitPrice": "-3.5", "timeInForce": "gtc"}
        sold = await trader.told(ticker="AAPL", action="buy", quantity=2, legs=legs(short, long), **order)
        assert sold.status == "accepted", sold.reason
        (line,) = (sold.plan or {})["estimates"]
        assert (line["margin_from"], D(line["margin"]) > 0) == ("preview", True)
        await worked(lambda: Order.objects.filter(status="accepted").exists(), "it works")
        moved = await trader.told(ticker="AAPL", action="modify", limitPrice="-3.3", quantity=1, legs=legs(short, long))
        assert moved.status == "accepted", moved.reason
        assert "limit from 3.5 to 3.3" in moved.reason
        await worked(lambda: limit("sell", "3.3", 1), "it is moved")
        wide = await trader.told(ticker="AAPL", action="modify", limitPrice=90, legs=legs(short, long))
        assert (wide.status, wide.reason_code) == ("rejected", "combo-price-past-its-width"), wide.reason
        gone = await trader.told(ticker="AAPL", action="cancel", legs=legs(short, long))
        assert gone.status == "accepted", gone.reason
        await worked(lambda: Order.objects.get().status == "canceled", "it is canceled")
        nothing = await trader.told(ticker="AAPL", action="modify", limitPrice=-3, legs=legs(short, long))
        assert (nothing.status, nothing.reason_code) == ("rejected", "nothing-to-modify"), nothing.reason

    run(story())
    (row,) = trader.bench.at_broker()
    assert (row["price"], D(str(row["totalSize"]))) == ("3.30", D(1))
