"""Shares listed abroad by the prefix of their chart: the exchanges that IBKR lists them on, and their currency.

A venue that is not in abroad.csv is not traded, since nobody is sure what IBKR calls it or in what unit it is priced: charts of
Johannesburg and Tel Aviv count in cents and agorot. Those of London count in pence, and so does IBKR where its rules of a
contract say so (`priceMagnifier`); money is in pounds.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Venues whose charts count in hundredths of the currency that money is in.
IN_HUNDREDTHS = {"LSE": "pence", "JSE": "cents", "TASE": "agorot"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Abroad:
    """One row of abroad.csv: a chart's prefix, IBKR's names of the exchanges behind it, the currency of money there, and the
    zone that their days begin in. `unit` is a hundredth of the currency that its charts count in, "" where they count in
    the currency. `in_lots`: shares trade there in lots, of as many as IBKR's rules of each say."""

    prefix: str
    exchanges: frozenset[str]
    currency: str
    zone: str
    place: str
    unit: str = ""
    in_lots: bool = False

    @property
    def parts(self) -> int:
        """How many units of its charts make one of the currency."""
        return 100 if self.unit else 1


def _read() -> dict[str, Abroad]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {
            row["prefix"]: Abroad(
                prefix=row["prefix"],
                exchanges=frozenset(row["exchanges"].split()),
                currency=row["currency"],
                zone=row["zone"],
                place=row["place"],
                unit=row["unit"],
                in_lots=row["lots"] == "board",
            )
            for row in csv.DictReader(file)
        }


ABROAD: Mapping[str, Abroad] = _read()
# Of exchanges whose charts count in a hundredth of it.
CURRENCIES_IN_PARTS = frozenset(each.currency for each in ABROAD.values() if each.unit)


def split(ticker: str) -> tuple[Abroad | None, str]:
    """XETR:SAP -> Xetra and SAP; a ticker of the US stands alone."""
    prefix, _, symbol = ticker.rpartition(":")
    return ABROAD.get(prefix), symbol


def lot_of(ticker: str, step: int | None) -> int:
    """How many shares make a lot: by IBKR's rules where the exchange trades in lots, else one. `step` is what IBKR's own form
    counts in, None where it did not say: then IBKR decides when the order arrives."""
    if not step or ":" not in ticker:
        return 1
    abroad, _ = split(ticker)
    return step if abroad is not None and abroad.in_lots else 1


def unit_of(ticker: str, currency: str) -> str:
    """What a price of the ticker counts in: "pence" in London, else its currency."""
    abroad, _ = split(ticker)
    return abroad.unit if abroad is not None and abroad.unit else currency
