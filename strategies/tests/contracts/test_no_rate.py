"""A currency that nobody knows the worth of: nothing whose margin Halyard reckons is opened in it, and everything may be closed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.domain.orders import AssetClass, Contract, Instrument
from strategies.domain.decide.decide import decide
from strategies.domain.message import symbols
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.plan import Plan, Terms
from strategies.tests.domain.cases_of_decide import NOW, message, snapshot

# A ticker of each class, and the currency that it is priced in.
TICKERS = {
    AssetClass.STOCK: ("XETR:SAP", "EUR"),
    AssetClass.FUTURE: ("FDAXZ2026", "EUR"),
    AssetClass.FOREX: ("EURGBP", "GBP"),
    AssetClass.CFD: ("IBDE40", "EUR"),
}

RECKONED_HERE = {AssetClass.STOCK, AssetClass.CFD}


@pytest.mark.parametrize(("asset_class", "ticker", "currency"), [(each, *named) for each, named in TICKERS.items()])
def test_nothing_is_opened_and_all_is_closed_without_a_rate(
    asset_class: AssetClass, ticker: str, currency: str
) -> None:
    symbol = symbols.read(ticker, Kind(asset_class), NOW)
    contract = Contract(
        instrument=Instrument(ticker=symbol.name, asset_class=asset_class), conid=7, currency=currency, exchange="EUREX"
    )
    answer = decide(message("buy", 30_000, symbol=symbol), Terms(), snapshot(contract=contract), NOW)
    if asset_class in RECKONED_HERE:
        assert not isinstance(answer, Plan)
        assert (answer.rule, answer.code) == ("S08", "no-exchange-rate")
        assert f"no exchange rate from {currency} to USD" in answer.reason
    else:
        # IBKR's preview tells its margin.
        assert isinstance(answer, Plan)
        assert f"There is no exchange rate from {currency} to USD." in answer.estimates[0].notes
    limited = decide(
        message("buy", 30_000, symbol=symbol), Terms(max_amount=Decimal(1000)), snapshot(contract=contract), NOW
    )
    assert not isinstance(limited, Plan)
    assert limited.code == "amount-unknown"
    known = snapshot(contract=contract, rates={currency: Decimal("1.2")})
    assert isinstance(decide(message("buy", 30_000, symbol=symbol), Terms(), known, NOW), Plan)
    held = snapshot(30_000, contract=contract)
    assert isinstance(decide(message("exit", symbol=symbol), Terms(), held, NOW), Plan)
