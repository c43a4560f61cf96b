"""CFDs, from the signal to the fill and back: found by the share, held as what they are, never taken for the share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.domain.brokerage import OrderRefused
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.ibkr.contracts import cfds
from brokers.models import BrokerageAccount, ContractLookup, Order, Position
from brokers.tests import lab
from brokers.tests import rows as broker
from strategies.deciding import settle
from strategies.domain.decide.case import _of_exchange
from strategies.domain.message import symbols
from strategies.domain.message.symbols import Kind
from strategies.models import Decision, Strategy
from strategies.setup import strategies
from strategies.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)
SHARE, CFD, US500, GOLD, EURUSD = 265598, 700_000_000, 700_900_000, 700_900_003, 700_950_000


@pytest.fixture
def of_cfds(team: Team, bench: lab.Lab) -> Strategy:
    made = strategies.create_strategy(team=team, actor=None, name="CFDs", asset_class=Kind.CFD, now=timezone.now())
    rows.subscription(made, bench.account, timezone.now())
    return made


def send(of: Strategy, ticker: str, action: str = "buy") -> None:
    reading: dict[str, object] = {
        "action": action,
        "instrument": symbols.read(ticker, Kind(of.asset_class), timezone.now()).canonical(),
    }
    if action == "buy":
        reading["quantity"] = {"value": "10", "type": "fixed_quantity"}
    rows.signal(of, timezone.now(), reading=reading)


def decided(of: Strategy, ticker: str, action: str = "buy") -> Decision:
    """The decision on a signal, on a book that counts as the present."""
    send(of, ticker, action)
    for _ in range(5):
        BrokerageAccount.objects.update(book_as_of=timezone.now())
        settle.settle_waiting(timezone.now())
        lab.work()
    return Decision.objects.latest("pk")


async def there_and_back(of: Strategy, ticker: str, held: Callable[[], object] = lambda: None) -> None:
    """Ten are bought by one signal, looked at while they are held, and closed by another."""

    def settled() -> bool:
        settle.settle_waiting(timezone.now())
        return not Decision.objects.filter(status="pending").exists()

    async def until(done: Callable[[], bool]) -> None:
        await lab.until(lambda: settled() and done(), "it has filled")

    async with lab.working(), lab.watching():
        await asyncio.to_thread(send, of, ticker)
        await until(Order.objects.filter(role="entry", status="filled").exists)
        await until(Position.objects.filter(quantity=10).exists)
        await asyncio.to_thread(held)
        await asyncio.to_thread(send, of, ticker, "exit")
        await until(Order.objects.filter(role="exit", status="filled").exists)
        await lab.until(lambda: not Position.objects.exclude(quantity=0).exists(), "nothing is held")


def test_a_signal_buys_the_cfd_on_a_share_and_another_closes_it(
    client: Client, alice: User, bench: lab.Lab, of_cfds: Strategy
) -> None:
    def shown() -> None:
        client.force_login(alice)
        page = client.get(f"/teams/{bench.account.team.code}/positions/").text
        assert '<span class="sub">CFD</span>' in page

    asyncio.run(there_and_back(of_cfds, "NASDAQ:AAPL", shown))
    entry, way_out = Order.objects.order_by("pk")
    assert {(each.conid, each.asset_class, each.ticker) for each in (entry, way_out)} == {(CFD, "cfd", "AAPL")}
    assert [(row["conid"], row["secType"]) for row in bench.at_broker()] == [(CFD, "CFD")] * 2
    first = Decision.objects.order_by("pk")[0].inputs
    assert first is not None
    estimate = first["assessment"][0]
    # A tenth of what it is worth, with the fee.
    margin, price, fee = (Decimal(estimate[name]) for name in ("margin", "price", "fee"))
    assert fee == 1
    assert abs(margin - (price + fee)) < Decimal("0.02")


def test_a_cfd_beyond_the_usual_rate_is_put_before_ibkrs_preview(bench: lab.Lab, of_cfds: Strategy) -> None:
    BrokerageAccount.objects.update(available_funds=100)
    decision = decided(of_cfds, "AAPL")
    # This market asks a tenth as well, and says so itself.
    assert (decision.status, decision.rule, decision.reason_code) == ("rejected", "R04", "insufficient_buying_power")
    assert decision.reason.startswith("Margin needed by IBKR's preview ")
    assert len(bench.gateway.journal(bench.user, path="/orders/whatif")) == 1
    assert bench.posts() == []


def test_a_cfd_that_the_usual_rate_carries_is_asked_about_nowhere(bench: lab.Lab, of_cfds: Strategy) -> None:
    assert decided(of_cfds, "AAPL").status == "accepted"
    assert bench.gateway.journal(bench.user, path="/orders/whatif") == []


def test_the_cfd_on_an_index_is_named_as_ibkr_names_it(bench: lab.Lab, of_cfds: Strategy) -> None:
    decision = decided(of_cfds, "IBUS500")
    assert decision.status == "accepted", decision.reason
    assert [(row["conid"], row["secType"]) for row in bench.at_broker()] == [(US500, "CFD")]
    lookup = ContractLookup.objects.get(ticker="IBUS500")
    assert (lookup.name, lookup.currency, lookup.multiplier) == ("CFD on the S&P 500 index", "USD", Decimal(1))


@pytest.mark.parametrize(
    ("ticker", "conid", "called", "tick", "currency"),
    [
        ("OANDA:XAUUSD", GOLD, "CFD on an ounce of London gold", "0.01", "USD"),
        ("XAGUSD", GOLD + 1, "CFD on an ounce of London silver", "0.0001", "USD"),
        ("FX:EURUSD", EURUSD, "CFD on EUR.USD", "0.00005", "USD"),
        ("GBP/JPY", EURUSD + 10, "CFD on GBP.JPY", "0.005", "JPY"),
    ],
)
def test_the_cfd_on_a_metal_or_a_pair_is_bought_and_closed_as_what_it_is(
    bench: lab.Lab, of_cfds: Strategy, ticker: str, conid: int, called: str, tick: str, currency: str
) -> None:
    asyncio.run(there_and_back(of_cfds, ticker))
    name = symbols.read(ticker, Kind.CFD, timezone.now()).name
    kept = Order.objects.values_list("ticker", "conid", "asset_class", "currency", "status")
    assert list(kept) == [(name, conid, "cfd", currency, "filled")] * 2
    lookup = ContractLookup.objects.get(ticker=name)
    contract = lookup.value()
    assert (lookup.name, lookup.currency, contract.tick_at(Decimal(1))) == (called, currency, Decimal(tick))
    # The hours of pairs, where IBKR has told none: on a Tuesday before dawn in New York it trades.
    calendar = _of_exchange(contract)
    assert calendar is not None
    assert calendar.is_open(datetime(2026, 11, 24, 7, tzinfo=UTC), extended=False)
    assert sorted((row["conid"], row["secType"], row["side"]) for row in bench.at_broker()) == [
        (conid, "CFD", "BUY"),
        (conid, "CFD", "SELL"),
    ]


@pytest.mark.parametrize(
    ("ticker", "rate", "least"), [("IBUS500", "0.00005", 1), ("XAUUSD", "0.00002", 1), ("EURUSD", "0.00002", 2)]
)
def test_what_a_cfd_is_expected_to_be_charged_is_what_is_charged(
    bench: lab.Lab, of_cfds: Strategy, ticker: str, rate: str, least: int
) -> None:
    asyncio.run(there_and_back(of_cfds, ticker))
    for order in Order.objects.order_by("pk"):
        fee, worth = order.estimated_fee, Decimal(0)
        for fill in order.executions.all():
            worth += fill.quantity * fill.price
        charged = sum((fill.fee or Decimal(0) for fill in order.executions.all()), Decimal(0))
        assert fee is not None
        assert abs(charged - max(worth * Decimal(rate), Decimal(least))) <= Decimal("0.01")
        # The price has gone on meanwhile.
        assert abs(charged - fee) <= charged / 100 + Decimal("0.01")


@pytest.mark.parametrize(
    ("ticker", "sentence"),
    [
        ("USDEUR", "IBKR lists it as EURUSD: send that, with buy and sell exchanged."),
        ("EURKRW", "IBKR lists no currency pair EURKRW."),
        ("XETR:SAP", "IBKR lists no CFD on XETR:SAP."),
        ("TWIN", "The symbol TWIN belongs to several US stocks"),
        ("NOSUCH", "IBKR knows no US stock with the symbol NOSUCH."),
        ("IBHK50", "IBKR lists no IBHK50 under this login."),
    ],
)
def test_where_there_is_no_one_cfd_nothing_is_sent(
    bench: lab.Lab, of_cfds: Strategy, ticker: str, sentence: str
) -> None:
    decision = decided(of_cfds, ticker)
    assert decision.status == "rejected"
    assert sentence in decision.reason
    assert bench.posts() == []


def test_the_share_of_the_same_name_is_not_closed_by_a_cfds_exit(
    bench: lab.Lab, of_cfds: Strategy, strategy: Strategy
) -> None:
    broker.position(bench.account, conid=SHARE, quantity=Decimal(10))
    assert decided(of_cfds, "AAPL", "exit").status == "rejected"
    Position.objects.update(conid=CFD, asset_class="cfd")
    assert decided(strategy, "AAPL", "exit").status == "rejected"
    assert bench.posts() == []


def test_of_several_cfds_on_a_share_none_is_taken() -> None:
    def listed(*numbers: int) -> list[dict[str, object]]:
        return [{"conid": str(SHARE), "sections": [{"secType": "CFD", "conid": str(each)} for each in numbers]}]

    assert cfds.on_contract(SHARE, [*listed(CFD), *listed(CFD)]) == CFD
    assert cfds.on_contract(SHARE, listed()) is None
    for several in (listed(CFD, CFD + 1), [*listed(CFD), *listed(CFD + 1)]):
        with pytest.raises(OrderRefused, match="several CFDs"):
            cfds.on_contract(SHARE, several)


def test_the_number_of_a_named_cfd_is_its_sections_own_where_the_match_is_what_it_is_on() -> None:
    spot = {
        "conid": "69067924",
        "symbol": "XAUUSD",
        "sections": [{"secType": "CMDTY"}, {"secType": "CFD", "conid": "7"}],
    }
    itself = {"conid": "7", "symbol": "XAUUSD", "sections": [{"secType": "CFD"}]}
    assert cfds.by_name("XAUUSD", [spot, itself]) == cfds.by_name("XAUUSD", [itself]) == 7
    for none_or_several in ([], [{**spot, "sections": [{"secType": "CMDTY"}]}], [spot, {**itself, "conid": "8"}]):
        with pytest.raises(OrderRefused, match="XAUUSD under this login"):
            cfds.by_name("XAUUSD", none_or_several)


@pytest.mark.parametrize("called", [{}, {"assetClass": ""}, {"assetClass": "STK"}, {"assetClass": "cfd"}])
def test_only_what_ibkr_calls_a_cfd_is_one(called: dict[str, str]) -> None:
    contract = Contract(instrument=Instrument(ticker="AAPL", asset_class=AssetClass.CFD), conid=CFD)
    cfds.check(contract, {"assetClass": "CFD", "currency": "USD"})
    with pytest.raises(OrderRefused, match="does not call its contract"):
        cfds.check(contract, called)
