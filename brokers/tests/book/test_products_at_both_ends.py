"""Every futures product of the simulated IBKR, found by its chart's root, and named in the chart's words on the way back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.orders import AssetClass
from brokers.domain.orders import Instrument as Wanted
from brokers.ibkr import months, translate
from brokers.rulebook.products.futures import PRODUCTS, code_of
from brokers.simulator.catalogue import catalogue, tables
from brokers.simulator.shapes import contracts

TODAY = date(2026, 11, 20)


def products() -> list[dict[str, str]]:
    return list(tables.read("futures"))


@pytest.mark.parametrize("row", products(), ids=[row["class"] for row in products()])
@pytest.mark.parametrize("day", [TODAY, date(2026, 12, 31), date(2027, 2, 26), date(2027, 8, 2)], ids=str)
async def test_the_adapter_finds_every_product_by_its_charts_root(row: dict[str, str], day: date) -> None:
    async def get(path: str, params: dict[str, str], parts: dict[str, str] | None = None) -> Any:
        if path == "trsrv/futures":
            return {params["symbols"]: [contracts.future_month(f) for f in catalogue.futures(params["symbols"], day)]}
        numbers = (parts or {}).get("conid") or params["conids"]
        futures = [future for each in numbers.split(",") if (future := catalogue.find(int(each))) is not None]
        return contracts.info(futures[0]) if parts else {"secdef": [contracts.definition(each) for each in futures]}

    root = row["class"]
    assert root in PRODUCTS
    assert PRODUCTS[root].symbol == row["symbol"]
    contract = await months.find(future_named(f"{root}1!"), get, day)
    front = catalogue.find(contract.conid)
    assert front is not None
    assert (front.trading_class, front.multiplier) == (root, Decimal(row["multiplier"]))
    assert front.expiry is not None
    assert front.expiry > day
    assert front.notice is None or front.notice > day
    assert front.month is not None
    assert contract.ticker == code_of(root, front.month)
    # Back from the broker's words.
    assert translate.ticker(front.local_symbol, "FUT", front.multiplier) == contract.ticker
    # By its own name it is the same one.
    assert (await months.find(future_named(contract.ticker), get, day)).conid == contract.conid


def future_named(ticker: str) -> Wanted:
    return Wanted(ticker=ticker, asset_class=AssetClass.FUTURE)
