"""What an order in a CFD is expected to be charged, by what it is on: the vectors of IBKR's schedule, asked through the product."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.domain.orders import AssetClass, Contract
from brokers.rulebook.products.cfds import NAMED, kind_of
from brokers.rulebook.tests import test_vectors
from strategies.domain.plan.estimate import Estimate
from strategies.tests.domain.test_assessment import ask, contract, snapshot

FILE = Path(test_vectors.FILE)
D = Decimal


def _vectors() -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["area"] == "fees" and row["given"].get("asset_class") == "cfd"]


BY_KIND = [row for row in _vectors() if row["given"].get("cfd_kind")]
# Of the model's single rate, which counts where the broker's schedule has no row.
OF_ANY = [row for row in _vectors() if not row["given"].get("cfd_kind")]


def charged(of: Contract, quantity: Decimal, price: Decimal) -> tuple[Decimal | None, str]:
    currency = of.currency
    seen = snapshot(of, available="100000000", rates={} if currency == "USD" else {currency: D(1)})
    answer = ask(seen, str(quantity), str(price))
    assert isinstance(answer, Estimate), answer
    return answer.fee, answer.fee_currency


def on_index(currency: str) -> Contract:
    ticker = next(name for name, cfd in NAMED.items() if (cfd.kind, cfd.currency) == ("index", currency))
    return contract(ticker, AssetClass.CFD, exchange="SMART", currency=currency)


@pytest.mark.parametrize("vector", BY_KIND, ids=lambda vector: vector["id"])
def test_an_index_is_charged_as_the_schedule_says(vector: dict[str, Any]) -> None:
    given, expected = vector["given"], vector["expect"]
    assert given["cfd_kind"] == "index"
    of = on_index(given["quote_currency"])
    assert charged(of, D(1), D(given["trade_value"])) == (D(expected["amount"]), expected["currency"])


@pytest.mark.parametrize("vector", OF_ANY, ids=lambda vector: vector["id"])
def test_a_share_is_charged_at_the_rate_of_any_other(vector: dict[str, Any]) -> None:
    given, expected = vector["given"], vector["expect"]
    assert given["fx_rate_to_account"] == "1"
    of = contract("AAPL", AssetClass.CFD, exchange="SMART", currency=given["quote_currency"])
    got = charged(of, abs(D(given["order"]["quantity"])), D(given["price"]))
    assert got == (D(expected["amount"]), expected["currency"])


def test_there_are_vectors_of_both() -> None:
    assert (len(BY_KIND), len(OF_ANY)) == (3, 9)


def test_a_pair_is_charged_as_the_pair_itself() -> None:
    pair, cfd = (contract("EURUSD", each, exchange="IDEALPRO") for each in (AssetClass.FOREX, AssetClass.CFD))
    for units, price in (("100000", "1.25"), ("30000", "1.05"), ("5000000", "1.1")):
        assert charged(cfd, D(units), D(price)) == charged(pair, D(units), D(price))
    assert charged(cfd, D(5_000_000), D("1.1")) == (D(110), "USD")


def test_a_metal_is_charged_at_the_rate_of_any_other() -> None:
    assert charged(contract("XAUUSD", AssetClass.CFD, exchange="SMART"), D(100), D(4000)) == (D(8), "USD")


@pytest.mark.parametrize(
    ("ticker", "kind"),
    [
        ("AAPL", "share"),
        ("XETR:SAP", "share"),
        ("IBDE40", "index"),
        ("XAUUSD", "metal"),
        ("XAGUSD", "metal"),
        ("EURUSD", "forex"),
        ("GBPJPY", "forex"),
    ],
)
def test_what_a_cfd_is_on_is_told_from_its_name(ticker: str, kind: str) -> None:
    assert kind_of(ticker) == kind
