"""Every cell of the matrix of order types and classes: from the signal to the fill at a gateway, or to its refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.domain.orders import FOR_AUCTIONS, OVER
from brokers.models import BrokerageAccount, Order
from brokers.rulebook import rulesets
from brokers.simulator.catalogue import futures, listed
from brokers.simulator.catalogue.hours import shares_calendar
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab
from strategies.deciding import settle
from strategies.domain.message import options
from strategies.domain.message.symbols import Kind, Symbol
from strategies.domain.message.wishes import NO_WISH
from strategies.models import Decision, Strategy
from strategies.setup import strategies
from strategies.tests import rows
from strategies.tests.options import on_futures
from strategies.tests.options.conftest import listed_options, name_of

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


@dataclass(frozen=True, kw_only=True)
class Market:
    """What is traded, by the name of its class in the rulebook, where its price is pinned, and how finely it moves.

    Of a chain the call is traded that is the nearest to the money in the month after next.
    """

    asset_class: str
    kind: Kind
    ticker: str = ""
    chain: str = ""
    price: Decimal
    tick: Decimal
    quantity: int = 1

    @property
    def option(self) -> Instrument:
        if self.kind is Kind.FUTURE_OPTION:
            product = futures.underlying(self.chain)
            assert product is not None
            price = product.base_price
            # One ends on every business day; the auctions of tomorrow are to come before its end.
            later = timezone.now().date() + timedelta(days=7)
            chain = [
                each for each in on_futures.chain_of(self.chain) if each.expiry is not None and each.expiry > later
            ]
            return min(chain, key=lambda each: (abs(float(each.strike) - price), each.expiry))
        underlying = listed.STOCKS.get(self.chain) or listed.INDICES[self.chain]
        return min(
            listed_options(self.chain), key=lambda each: (abs(float(each.strike) - underlying.base_price), each.expiry)
        )

    @property
    def name(self) -> str:
        """As a signal spells it."""
        if self.kind is Kind.FUTURE_OPTION:
            return on_futures.name_of(self.option)
        return name_of(self.option) if self.chain else self.ticker

    def read(self) -> Symbol:
        return options.symbol_of(self.name, self.kind, NO_WISH, timezone.now())

    def at(self, part: str) -> Decimal:
        """That part of its price, on its ticks."""
        return (self.price * D(part) / self.tick).to_integral_value() * self.tick


@dataclass(frozen=True, kw_only=True)
class Way:
    """An order type as a signal asks for it, prices as parts of the market's, and to which part the market goes to fill it.

    `ibkr` is the type as the gateway lists it. `waits` for an auction: it fills once that was held.
    """

    ibkr: str
    order: dict[str, str] = field(default_factory=dict)
    prices: dict[str, str] = field(default_factory=dict)
    fills_at: str = ""
    waits: bool = False


EACH = (
    Market(asset_class="equity", kind=Kind.STOCK, ticker="AAPL", price=D(250), tick=D("0.01"), quantity=10),
    Market(asset_class="future", kind=Kind.FUTURE, ticker="MNQ1!", price=D(20000), tick=D("0.25"), quantity=1),
    Market(asset_class="forex", kind=Kind.FOREX, ticker="EURUSD", price=D("1.25"), tick=D("0.00005"), quantity=30_000),
    Market(asset_class="option", kind=Kind.OPTION, chain="AAPL", price=D(20), tick=D("0.1"), quantity=2),
    Market(asset_class="index_option", kind=Kind.OPTION, chain="SPX", price=D(200), tick=D("0.1"), quantity=2),
    Market(asset_class="future_option", kind=Kind.FUTURE_OPTION, chain="ES", price=D(200), tick=D("0.25"), quantity=2),
    # It trades at the quote of the share, which is the one that is pinned.
    Market(asset_class="cfd", kind=Kind.CFD, ticker="AAPL", price=D(250), tick=D("0.01"), quantity=10),
)
MARKETS = {market.asset_class: market for market in EACH}
# By the rulebook's name of the type.
WAYS = {
    "market": Way(ibkr="MARKET"),
    "limit": Way(ibkr="LIMIT", prices={"limit": "0.98"}, fills_at="0.97"),
    "stop_market": Way(ibkr="STOP", prices={"stop": "1.02"}, fills_at="1.03"),
    "stop_limit": Way(ibkr="STOP_LIMIT", prices={"stop": "1.02", "limit": "1.04"}, fills_at="1.03"),
    "trailing_stop": Way(ibkr="TRAIL", order={"trail_percent": "2"}, fills_at="1.025"),
    "market_if_touched": Way(ibkr="MIT", prices={"touch": "0.98"}, fills_at="0.97"),
    "limit_if_touched": Way(ibkr="LIT", prices={"touch": "0.98", "limit": "0.975"}, fills_at="0.97"),
    "midprice": Way(ibkr="MIDPRICE"),
    "trailing_stop_limit": Way(
        ibkr="TRAILLMT", order={"trail_percent": "2"}, prices={"limit_offset": "0.01"}, fills_at="1.025"
    ),
    "market_on_open": Way(ibkr="MARKET", waits=True),
    "limit_on_open": Way(ibkr="LIMIT", prices={"limit": "1.01"}, waits=True),
    "market_on_close": Way(ibkr="MOC", waits=True),
    "limit_on_close": Way(ibkr="LOC", prices={"limit": "1.01"}, waits=True),
}
# Signals have their own word for one type.
WORDS = {"stop_market": "stop"}
# What the table has beside the types that an order for one contract may have.
NO_TYPES_OF_SIGNALS = {"combo_market", "combo_limit", "combo_leg_limit", "option_exercise"}
RULES = rulesets.load("seed")
CELLS = [(kind, market) for kind in WAYS for market in MARKETS]
TAKEN = [cell for cell in CELLS if cell in RULES.cells]
DENIED = [cell for cell in CELLS if cell not in TAKEN]


def test_no_type_and_no_class_of_the_table_is_left_out() -> None:
    assert set(WAYS) | NO_TYPES_OF_SIGNALS == {kind for kind, _ in RULES.cells}
    assert set(MARKETS) == {each for _, each in RULES.cells}
    assert (len(CELLS), len(TAKEN)) == (91, 69)


@pytest.fixture(scope="session")
def clocked(servers: None) -> Iterator[RunningGateway]:
    """A gateway of its own, whose clock these tests move to the next auctions. For all tests of a run."""
    with running_gateway("fast", behaviour={"day_scoped_orders": False}) as running:
        yield running


@pytest.fixture
def bench(team: Team, clocked: RunningGateway, settings: Any) -> Iterator[lab.Lab]:
    settings.GATEWAY_URL, settings.SIM_CONTROL_TOKEN = clocked.url, clocked.token
    clocked.put_clock_back()
    yield lab.make(team, clocked)
    clocked.clear_quotes()


def after_the_auctions(bench: lab.Lab) -> None:
    """Move the gateway's clock into the next session: one close and one open are over then."""
    now = datetime.fromisoformat(bench.gateway.control("GET", "/clock")["now"])
    then = shares_calendar().open_after(now + timedelta(days=1)) + timedelta(minutes=90)
    bench.gateway.advance((then - now).total_seconds())


def strategy_of(team: Team, bench: lab.Lab, market: Market) -> Strategy:
    made = strategies.create_strategy(team=team, actor=None, name="Types", asset_class=market.kind, now=timezone.now())
    rows.subscription(made, bench.account, timezone.now())
    return made


def pin(bench: lab.Lab, market: Market, part: str) -> None:
    """Let the market stand at that part of its price."""
    gateway, price = bench.gateway, market.at(part)
    if market.kind is Kind.FUTURE:
        months = gateway.call(bench.user, "GET", "/trsrv/futures?symbols=MNQ")[1]["MNQ"]
        names: list[str | int] = [month["conid"] for month in months]
    elif market.chain:
        names = [market.option.conid]
    else:
        names = ["EUR.USD" if market.kind is Kind.FOREX else market.ticker]
    for name in names:
        gateway.quote(name, bid=price, ask=price, last=price, ttl_s=timedelta(days=9).total_seconds())


def send(strategy: Strategy, market: Market, way: Way, order_type: str) -> Callable[[], bool]:
    """A buy by this type; what is given back settles it until it is decided."""
    prices = {name: f"{market.at(part):f}" for name, part in way.prices.items()}
    signal = rows.signal(
        strategy,
        timezone.now(),
        reading={
            "action": "buy",
            "instrument": market.read().canonical(),
            "quantity": {"value": str(market.quantity), "type": "fixed_quantity"},
            "signal_price": str(market.price),
            "order": {"type": WORDS.get(order_type, order_type), **way.order, **prices},
        },
    )

    def decided() -> bool:
        settle.settle_waiting(timezone.now())
        return Decision.objects.filter(signal=signal).exclude(status="pending").exists()

    return decided


async def worked_until(done: Callable[[], object]) -> None:
    while not await asyncio.to_thread(lab.holds, done):
        await asyncio.to_thread(lab.work)


async def book_is_read(bench: lab.Lab) -> None:
    def read() -> bool:
        return BrokerageAccount.objects.get(pk=bench.account.pk).book_as_of is not None

    await lab.until(read, "the book is read")


@pytest.mark.parametrize(("order_type", "asset_class"), TAKEN)
def test_a_type_that_a_class_takes_is_traded_from_the_signal_to_the_fill(
    team: Team, bench: lab.Lab, order_type: str, asset_class: str
) -> None:
    market, way = MARKETS[asset_class], WAYS[order_type]
    strategy = strategy_of(team, bench, market)
    pin(bench, market, "1")
    seen: list[dict[str, Any]] = []

    async def story() -> None:
        async with lab.watching():
            await book_is_read(bench)
            await worked_until(await asyncio.to_thread(send, strategy, market, way, order_type))
            assert await asyncio.to_thread(lab.asked, why) == ""
            await worked_until(Order.objects.exclude(status__in=["created", "submitted"]).exists)
            seen.extend(await asyncio.to_thread(bench.at_broker))
            if way.fills_at:
                assert await asyncio.to_thread(lab.holds, Order.objects.filter(status="accepted").exists)
                await asyncio.to_thread(pin, bench, market, way.fills_at)
            if way.waits:
                assert await asyncio.to_thread(lab.holds, Order.objects.filter(status="accepted").exists)
                await asyncio.to_thread(after_the_auctions, bench)
            await worked_until(Order.objects.filter(status__in=[str(each) for each in OVER]).exists)

    asyncio.run(asyncio.wait_for(story(), 60))
    (row,) = seen
    order = Order.objects.get()
    assert (order.status, order.reason) == ("filled", "")
    assert (row["origOrderType"], row["side"], row["totalSize"]) == (way.ibkr, "BUY", float(market.quantity))
    assert (order.type, order.filled_quantity) == (sent_as(order_type), D(market.quantity))
    assert len(bench.posts()) == 1


def why() -> str:
    """Why the last decision was a rejection; nothing where it was none."""
    decision = Decision.objects.latest("pk")
    return "" if decision.status == "accepted" else f"{decision.rule} {decision.reason}"


def sent_as(order_type: str) -> str:
    """The type of the order's row: an auction is its time in force."""
    return str(FOR_AUCTIONS[order_type][0]) if order_type in FOR_AUCTIONS else WORDS.get(order_type, order_type)


@pytest.mark.parametrize(("order_type", "asset_class"), DENIED)
def test_a_type_that_a_class_does_not_take_is_refused_and_nothing_is_sent(
    team: Team, bench: lab.Lab, order_type: str, asset_class: str
) -> None:
    market = MARKETS[asset_class]
    strategy = strategy_of(team, bench, market)
    pin(bench, market, "1")

    async def story() -> None:
        async with lab.watching():
            await book_is_read(bench)
            await worked_until(await asyncio.to_thread(send, strategy, market, WAYS[order_type], order_type))

    asyncio.run(asyncio.wait_for(story(), 60))
    decision = Decision.objects.get()
    assert (decision.status, decision.reason_code) == ("rejected", "order_type_not_supported_for_asset_class")
    assert not Order.objects.exists()
    assert bench.posts() == []
