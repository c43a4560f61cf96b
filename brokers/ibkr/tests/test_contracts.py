"""Which contract an instrument is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.brokerage import OrderRefused
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.ibkr import contracts

TODAY = date(2026, 11, 20)
BERKSHIRE = Instrument(ticker="BRK.B")


def company(name: str, *listings: tuple[int, str, bool], asset_class: str = "STK") -> dict[str, Any]:
    listed = [{"conid": conid, "exchange": exchange, "isUS": us} for conid, exchange, us in listings]
    return {"name": name, "assetClass": asset_class, "contracts": listed}


def test_it_takes_the_listing_in_the_us() -> None:
    companies = [company("APPLE INC", (38708077, "MEXI", False), (265598, "NASDAQ", True))]
    found = contracts.choose_stock(Instrument(ticker="AAPL"), companies)
    assert (found.conid, found.name, found.exchange) == (265598, "APPLE INC", "NASDAQ")


def test_it_prefers_a_main_exchange_to_the_counter() -> None:
    companies = [company("OTHER", (1, "PINK", True)), company("ABC CORP", (2, "NYSE", True))]
    assert contracts.choose_stock(Instrument(ticker="ABC"), companies).conid == 2


def test_it_asks_which_of_two_companies_is_meant() -> None:
    companies = [company("A", (1, "NYSE", True)), company("B", (2, "NASDAQ", True))]
    with pytest.raises(OrderRefused, match=r"several US stocks: A \(NYSE\), B \(NASDAQ\)") as refused:
        contracts.choose_stock(Instrument(ticker="ABC"), companies)
    assert refused.value.code == "ambiguous-symbol"


@pytest.mark.parametrize(
    "companies", [[], [company("X", (1, "MEXI", False))], [company("X", (1, "NYSE", True), asset_class="BOND")]]
)
def test_it_refuses_a_stock_it_cannot_find(companies: list[Any]) -> None:
    with pytest.raises(OrderRefused) as refused:
        contracts.choose_stock(BERKSHIRE, companies)
    assert str(refused.value) == (
        "IBKR knows no US stock with the symbol BRK.B. Check the spelling; class shares are written BRK.B."
    )
    assert refused.value.code == "unknown-symbol"


@pytest.mark.parametrize(
    ("ticker", "root", "month"),
    [
        ("MNQZ2026", "MNQ", date(2026, 12, 1)),
        ("MNQZ26", "MNQ", date(2026, 12, 1)),
        ("MNQZ6", "MNQ", date(2026, 12, 1)),
        ("ESH7", "ES", date(2027, 3, 1)),
        ("ESH4", "ES", date(2034, 3, 1)),
        ("6EZ2026", "6E", date(2026, 12, 1)),
        ("M2KH2027", "M2K", date(2027, 3, 1)),
        ("M2K", "M2K", None),
        ("ES1!", "ES", None),
        ("ZN", "ZN", None),
    ],
)
def test_it_reads_the_name_of_a_future(ticker: str, root: str, month: date | None) -> None:
    assert contracts.parse_future(ticker, TODAY) == (root, month, 1)


def test_it_reads_the_contract_behind_the_front_one() -> None:
    assert contracts.parse_future("NQ2!", TODAY) == ("NQ", None, 2)


MONTHS = [
    {"symbol": "ES", "conid": 4, "expirationDate": 20270318, "ltd": 20270318},
    {"symbol": "ES", "conid": 3, "expirationDate": 20261218, "ltd": 20261217},
    {"symbol": "ES", "conid": 2, "expirationDate": 20260918, "ltd": 20260917},
]


def choose(root: str, month: date | None, months: list[Any]) -> Contract:
    future = Instrument(ticker=root, asset_class=AssetClass.FUTURE)
    return contracts.choose_future(future, months, root=root, month=month, today=TODAY)


def test_it_takes_the_month_asked_for() -> None:
    assert choose("ES", date(2027, 3, 1), MONTHS).conid == 4


def test_it_takes_the_first_month_that_still_trades() -> None:
    assert choose("ES", None, MONTHS).conid == 3


@pytest.mark.parametrize(
    ("today", "nth", "conid"),
    [
        (date(2026, 12, 15), 1, 3),
        (date(2026, 12, 15), 2, 4),
        # Two days before it expires on the 18th, the contract behind it is the front one.
        (date(2026, 12, 16), 1, 4),
    ],
)
def test_a_continuous_contract_rolls_two_days_before_it_expires(today: date, nth: int, conid: int) -> None:
    future = Instrument(ticker="ES", asset_class=AssetClass.FUTURE)
    assert contracts.choose_future(future, MONTHS, root="ES", month=None, today=today, nth=nth).conid == conid


def test_it_does_not_roll_into_what_is_not_listed() -> None:
    future = Instrument(ticker="ES2!", asset_class=AssetClass.FUTURE)
    with pytest.raises(OrderRefused, match="no further ES future"):
        contracts.choose_future(future, MONTHS, root="ES", month=None, today=date(2026, 12, 16), nth=2)


def test_it_knows_that_crude_oil_ends_a_month_early() -> None:
    months = [{"conid": 1, "ltd": 20261120}, {"conid": 2, "ltd": 20261221}]
    assert choose("CL", date(2027, 1, 1), months).conid == 2


def test_it_knows_that_sofr_is_named_after_its_beginning() -> None:
    assert choose("SR3", date(2026, 12, 1), [{"conid": 1, "ltd": 20261215}, {"conid": 2, "ltd": 20270316}]).conid == 2


@pytest.mark.parametrize(("month", "months"), [(date(2026, 9, 1), MONTHS), (date(2028, 3, 1), MONTHS), (None, [])])
def test_it_refuses_a_month_that_is_not_listed(month: date | None, months: list[Any]) -> None:
    with pytest.raises(OrderRefused) as refused:
        choose("ES", month, months)
    assert refused.value.code == "unknown-symbol"


def test_it_adds_currency_multiplier_and_tick() -> None:
    row = {
        "currency": "USD",
        "multiplier": 2.0,
        "listingExchange": "CME",
        "incrementRules": [{"lowerEdge": 0.0, "increment": 0.0001}, {"lowerEdge": 1.0, "increment": 0.25}],
    }
    found = contracts.described(Contract(instrument=BERKSHIRE, conid=1), row)
    assert (found.multiplier, found.tick, found.exchange) == (Decimal(2), Decimal("0.25"), "CME")


async def test_it_names_the_pair_the_other_way_round() -> None:
    async def get(path: str, params: Mapping[str, str]) -> Any:
        return {params["currency"]: [{"symbol": "USD.CHF", "conid": 1}]}

    pair = Instrument(ticker="CHFUSD", asset_class=AssetClass.FOREX)
    with pytest.raises(OrderRefused, match="IBKR lists it as USDCHF"):
        await contracts.find(pair, get, TODAY)
