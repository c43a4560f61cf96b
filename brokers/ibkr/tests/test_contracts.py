"""Which contract an instrument is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts.candidates import AmbiguousSymbol
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.ibkr.contracts import finding as contracts
from brokers.ibkr.contracts import stocks

BERKSHIRE = Instrument(ticker="BRK.B")


def company(name: str, *listings: tuple[int, str, bool], asset_class: str = "STK") -> dict[str, Any]:
    listed = [{"conid": conid, "exchange": exchange, "isUS": us} for conid, exchange, us in listings]
    return {"name": name, "assetClass": asset_class, "contracts": listed}


def test_it_takes_the_listing_in_the_us() -> None:
    companies = [company("APPLE INC", (38708077, "MEXI", False), (265598, "NASDAQ", True))]
    contract = stocks.choose(Instrument(ticker="AAPL"), companies)
    assert (contract.conid, contract.name, contract.exchange) == (265598, "APPLE INC", "NASDAQ")


def test_it_prefers_a_main_exchange_to_the_counter() -> None:
    companies = [company("OTHER", (1, "PINK", True)), company("ABC CORP", (2, "NYSE", True))]
    assert stocks.choose(Instrument(ticker="ABC"), companies).conid == 2


def test_it_asks_which_of_two_companies_is_meant() -> None:
    companies = [company("A", (1, "NYSE", True)), company("B", (2, "NASDAQ", True))]
    with pytest.raises(
        OrderRefused,
        match=r"several US stocks: A \(NYSE, USD\) and B \(NASDAQ, USD\)\. Choose one of them on the page Symbols",
    ) as refused:
        stocks.choose(Instrument(ticker="ABC"), companies)
    assert refused.value.code == "ambiguous-symbol"


@pytest.mark.parametrize("companies", [[], [company("X", (1, "NYSE", True), asset_class="BOND")]])
def test_it_refuses_a_stock_it_cannot_find(companies: list[Any]) -> None:
    with pytest.raises(OrderRefused) as refused:
        stocks.choose(BERKSHIRE, companies)
    assert str(refused.value) == (
        "IBKR knows no US stock with the symbol BRK.B. Check the spelling; class shares are written BRK.B."
    )
    assert refused.value.code == "unknown-symbol"


def test_it_adds_currency_multiplier_and_tick() -> None:
    row = {
        "currency": "USD",
        "multiplier": 2.0,
        "listingExchange": "CME",
        "incrementRules": [{"lowerEdge": 0.0, "increment": 0.0001}, {"lowerEdge": 1.0, "increment": 0.25}],
    }
    contract = contracts.described(Contract(instrument=BERKSHIRE, conid=1), row)
    assert (contract.multiplier, contract.tick, contract.exchange) == (Decimal(2), Decimal("0.25"), "CME")


def test_it_says_where_a_stock_is_listed_instead() -> None:
    with pytest.raises(OrderRefused, match=r"IBKR lists SAN on BM and on no US exchange"):
        stocks.choose(Instrument(ticker="SAN"), [company("BANCO", (1, "BM", False))])


@pytest.mark.parametrize(
    ("symbol", "sentence"),
    [
        ("MNQ", "MNQ is a future (Micro E-mini Nasdaq-100), and no US stock. Send it to a strategy for futures."),
        ("SPX", "SPX is the S&P 500 index, which nobody can buy. Trade ES or MES (futures) or SPY (a fund) instead."),
    ],
)
def test_it_says_what_a_symbol_is_that_is_no_stock(symbol: str, sentence: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        stocks.choose(Instrument(ticker=symbol), [])
    assert (str(refused.value), refused.value.code) == (sentence, "unknown-symbol")


async def test_it_names_the_pair_the_other_way_round() -> None:
    async def get(path: str, params: Mapping[str, str]) -> Any:
        return {params["currency"]: [{"symbol": "USD.CHF", "conid": 1}]}

    pair = Instrument(ticker="CHFUSD", asset_class=AssetClass.FOREX)
    with pytest.raises(OrderRefused, match="IBKR lists it as USDCHF"):
        await contracts.find(pair, get, datetime(2026, 11, 20, 15, tzinfo=UTC))


@pytest.mark.parametrize(
    ("rules", "tick", "bands"),
    [
        (
            [{"lowerEdge": 1.0, "increment": 0.01}, {"lowerEdge": 0.0, "increment": 0.0001}],
            "0.01",
            (("0", "0.0001"), ("1", "0.01")),
        ),
        (
            [{"lowerEdge": 0.0, "increment": 0.05}, {"lowerEdge": 3.0, "increment": 0.1}],
            "0.1",
            (("0", "0.05"), ("3", "0.1")),
        ),
        ([{"lowerEdge": None, "increment": 0.25}, {"lowerEdge": 5, "increment": 0}], "0.25", (("0", "0.25"),)),
        ([{"increment": -1}, {"increment": "much"}, "nonsense"], "0.01", ()),
        (None, "0.01", ()),
    ],
)
def test_it_reads_the_ticks_of_every_price_band(rules: Any, tick: str, bands: Any) -> None:
    contract = Contract(instrument=BERKSHIRE, conid=1)
    described = contracts.described(contract, {"conid": 1, "incrementRules": rules})
    assert described.tick == Decimal(tick)
    assert described.increments == tuple((Decimal(edge), Decimal(step)) for edge, step in bands)


SAP = [
    company("SAP SE-SPONSORED ADR", (1, "NYSE", True)),
    company("SAP SE", (2, "IBIS", False), (3, "MEXI", False), (4, "SWB", False)),
]


def test_a_listing_abroad_is_found_on_its_exchange_and_nowhere_else() -> None:
    assert stocks.choose(Instrument(ticker="SAP"), SAP).conid == 1
    contract = stocks.choose(Instrument(ticker="XETR:SAP"), SAP)
    assert (contract.conid, contract.exchange, contract.currency) == (2, "IBIS", "EUR")
    assert stocks.choose(Instrument(ticker="BMV:SAP"), SAP).conid == 3
    with pytest.raises(
        OrderRefused, match=r"IBKR lists no ASX:SAP on the Australian Securities Exchange\. It lists"
    ) as refused:
        stocks.choose(Instrument(ticker="ASX:SAP"), SAP)
    assert refused.value.code == "unknown-symbol"


def test_two_companies_on_one_exchange_abroad_are_asked_about() -> None:
    two = [company("AIRBUS SE", (1, "SBF", False)), company("AIR FREIGHT", (2, "AEB", False))]
    with pytest.raises(AmbiguousSymbol, match="several shares on Euronext") as several:
        stocks.choose(Instrument(ticker="EURONEXT:AIR"), two)
    assert [each.currency for each in several.value.candidates] == ["EUR", "EUR"]
    assert stocks.choose(Instrument(ticker="EURONEXT:AIR"), two, chosen=2).conid == 2
    assert stocks.choose(Instrument(ticker="EURONEXTPAR:AIR"), two).conid == 1


@pytest.mark.parametrize(("currency", "refused"), [("EUR", False), ("USD", True), (None, False), ("nonsense", True)])
async def test_a_listing_abroad_in_another_currency_than_its_charts_is_refused(
    currency: str | None, refused: bool
) -> None:
    async def get(path: str, params: Mapping[str, str]) -> Any:
        if path == "trsrv/stocks":
            return {"SAP": SAP}
        return {"secdef": [{"conid": 2, "currency": currency}]}

    found = contracts.find(Instrument(ticker="XETR:SAP"), get, datetime(2026, 11, 20, 15, tzinfo=UTC))
    if not refused:
        assert (await found).currency == "EUR"
        return
    with pytest.raises(OrderRefused) as other:
        await found
    assert other.value.code == "other-currency"
