"""Orders, fills, holdings and prices, as the gateway shows them."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.brokerage import Accepted, OrderFacts, OrderRefused
from brokers.domain.orders import AssetClass, Instrument, OrderStatus, OrderType, Side
from brokers.domain.sessions import Login
from brokers.ibkr import IbkrBrokerage, connect
from brokers.ibkr.tests.conftest import APPLE, leg


async def order(brokerage: IbkrBrokerage, account: str, reference: str) -> OrderFacts:
    """The order with this reference, as the gateway shows it now."""
    [facts] = [facts for facts in (await brokerage.orders(account)).orders if facts.reference == reference]
    return facts


async def filled(brokerage: IbkrBrokerage, account: str, reference: str) -> OrderFacts:
    for _ in range(250):
        facts = await order(brokerage, account, reference)
        if facts.status is OrderStatus.FILLED:
            return facts
        await asyncio.sleep(0.02)
    raise AssertionError(f"{reference} was not filled within five seconds.")


async def test_an_order_and_its_fill_are_found_by_reference(brokerage: IbkrBrokerage, account: str) -> None:
    await brokerage.submit(account, [leg("hy-1")])
    facts = await filled(brokerage, account, "hy-1")
    assert (facts.account_id, facts.conid, facts.side, facts.filled_quantity) == (account, 265598, Side.BUY, Decimal(5))
    [fill] = await brokerage.executions(account)
    assert (fill.reference, fill.ticker, fill.side, fill.quantity) == ("hy-1", "AAPL", Side.BUY, Decimal(5))
    assert fill.price == facts.average_price
    assert fill.fee is not None
    [held] = await brokerage.positions(account)
    assert (held.ticker, held.asset_class, held.quantity) == ("AAPL", "stock", Decimal(5))
    assert held.average_cost == fill.price


async def test_the_first_read_of_a_session_does_not_say_that_there_are_no_orders(gateway: Any, login: Login) -> None:
    account = gateway.sign_in(login.username)
    brokerage = connect(login)
    assert not (await brokerage.orders(account)).complete
    assert (await brokerage.orders(account)).complete
    await brokerage.close()


async def test_it_queries_the_accounts_when_ibkr_wants_that_first(gateway: Any, login: Login) -> None:
    gateway.call(login.username, "POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    brokerage = connect(login)
    assert not (await brokerage.orders("SIM1")).complete
    assert len(gateway.journal(login.username, path="/iserver/accounts")) == 1
    await brokerage.close()


async def test_a_working_order_is_canceled(brokerage: IbkrBrokerage, account: str) -> None:
    outcome = await brokerage.submit(account, [leg("hy-1", type=OrderType.LIMIT, limit_price=Decimal(1))])
    assert isinstance(outcome, Accepted)
    assert (await order(brokerage, account, "hy-1")).status is OrderStatus.ACCEPTED
    await brokerage.cancel(account, outcome.acks[0].broker_order_id)
    assert (await order(brokerage, account, "hy-1")).status is OrderStatus.CANCELED
    with pytest.raises(OrderRefused):
        await brokerage.cancel(account, outcome.acks[0].broker_order_id)


async def test_a_child_names_its_parent_by_the_brokers_number(brokerage: IbkrBrokerage, account: str) -> None:
    parent = leg("hy-P", type=OrderType.LIMIT, limit_price=Decimal(1))
    child = leg("hy-S", type=OrderType.STOP, stop_price=Decimal("0.5"), side=Side.SELL, parent_reference="hy-P")
    outcome = await brokerage.submit(account, [parent, child])
    assert isinstance(outcome, Accepted)
    numbers = {ack.reference: ack.broker_order_id for ack in outcome.acks}
    shown = {facts.broker_order_id: facts for facts in (await brokerage.orders(account)).orders}
    assert shown[numbers["hy-S"]].parent_broker_order_id == numbers["hy-P"]


async def test_it_reads_the_accounts_money(brokerage: IbkrBrokerage, account: str) -> None:
    [facts] = await brokerage.accounts()
    assert (facts.account_id, facts.is_paper, facts.currency) == (account, True, "USD")
    summary = await brokerage.summary(account)
    assert (summary.net_liquidation, summary.cash) == (Decimal(1_000_000), Decimal(1_000_000))
    assert (summary.unrealized_pnl, summary.realized_pnl, summary.currency) == (Decimal(0), Decimal(0), "USD")


async def test_it_finds_stocks_futures_and_pairs(brokerage: IbkrBrokerage) -> None:
    apple = await brokerage.contract(Instrument(ticker="AAPL"))
    assert (apple.conid, apple.exchange, apple.tick) == (265598, "NASDAQ", Decimal("0.01"))
    assert [apple.tick_at(Decimal(price)) for price in ("0.5", "1")] == [Decimal("0.0001"), Decimal("0.01")]
    assert (await brokerage.contract(Instrument(ticker="BRK.B"))).name.startswith("BERKSHIRE")
    nasdaq = await brokerage.contract(Instrument(ticker="MNQ", asset_class=AssetClass.FUTURE))
    assert (nasdaq.multiplier, nasdaq.tick) == (Decimal(2), Decimal("0.25"))
    euro = await brokerage.contract(Instrument(ticker="EURUSD", asset_class=AssetClass.FOREX))
    assert (euro.conid, euro.currency) == (12087792, "USD")


@pytest.mark.parametrize(
    ("ticker", "asset_class"),
    [
        ("XYZQ", AssetClass.STOCK),
        ("ESZ1999", AssetClass.FUTURE),
        ("USDEUR", AssetClass.FOREX),
        ("EU", AssetClass.FOREX),
    ],
)
async def test_it_refuses_what_ibkr_does_not_know(
    brokerage: IbkrBrokerage, ticker: str, asset_class: AssetClass
) -> None:
    with pytest.raises(OrderRefused) as refused:
        await brokerage.contract(Instrument(ticker=ticker, asset_class=asset_class))
    assert refused.value.code == "unknown-symbol"


async def test_it_asks_twice_for_the_first_quote(gateway: Any, login: Login, brokerage: IbkrBrokerage) -> None:
    quote = await brokerage.quote(APPLE)
    assert quote is not None
    assert quote.bid is not None
    assert quote.mid is not None
    assert len(gateway.journal(login.username, path="/marketdata/snapshot")) == 2
    await brokerage.quote(APPLE)
    assert len(gateway.journal(login.username, path="/marketdata/snapshot")) == 3


async def test_nothing_secret_is_logged(
    login: Login, brokerage: IbkrBrokerage, account: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="brokers.ibkr")
    await brokerage.submit(account, [leg("hy-1")])
    await brokerage.orders(account)
    assert "POST /iserver/account/{account}/orders: 200" in caplog.text
    for secret in (account, login.username, brokerage.session_token, "hy-1"):
        assert secret not in caplog.text


@pytest.mark.parametrize("shown", [True, False])
async def test_a_future_was_bought_at_its_price_whether_or_not_ibkr_shows_it(
    gateway: Any, brokerage: IbkrBrokerage, account: str, shown: bool
) -> None:
    contract = await brokerage.contract(Instrument(ticker="MNQ", asset_class=AssetClass.FUTURE))
    with gateway.behaving(average_price_of_futures=shown):
        await brokerage.submit(account, [leg("hy-1", contract=contract, quantity=Decimal(2))])
        bought = await filled(brokerage, account, "hy-1")
        [held] = await brokerage.positions(account)
    assert bought.average_price is not None
    assert held.average_cost == bought.average_price
