"""Shares listed abroad by the prefix of their chart: the exchanges that IBKR lists them on, and their currency.

A venue that is not in abroad.csv is not traded, since nobody is sure what IBKR calls it or in what unit it is priced: charts of
London, Johannesburg and Tel Aviv count in pence, cents and agorot.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Venues whose charts count in hundredths of the currency that orders are priced in.
IN_HUNDREDTHS = {"LSE": "pence", "JSE": "cents", "TASE": "agorot"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Abroad:
    """One row of abroad.csv: a chart's prefix, IBKR's names of the exchanges behind it, the currency of prices
    there, and the zone that their days begin in."""

    prefix: str
    exchanges: frozenset[str]
    currency: str
    zone: str
    place: str


def _read() -> dict[str, Abroad]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {
            row["prefix"]: Abroad(
                prefix=row["prefix"],
                exchanges=frozenset(row["exchanges"].split()),
                currency=row["currency"],
                zone=row["zone"],
                place=row["place"],
            )
            for row in csv.DictReader(file)
        }


ABROAD: Mapping[str, Abroad] = _read()


def split(ticker: str) -> tuple[Abroad | None, str]:
    """XETR:SAP -> Xetra and SAP; a ticker of the US stands alone."""
    prefix, _, symbol = ticker.rpartition(":")
    return ABROAD.get(prefix), symbol
