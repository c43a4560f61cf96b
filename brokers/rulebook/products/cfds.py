"""IBKR's contracts for difference on indices and metals, by their own names, and the charts that show what they follow.

CFDs on shares and on currency pairs need no table: they are named by their share or their pair.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brokers.rulebook.products.currencies import CURRENCIES

_PAIR = re.compile(r"([A-Z]{3})([A-Z]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCfd:
    """One row of cfds.csv: IBKR's name, what it is on, the currency of its prices, and names of charts that show that.

    `kind` is index or metal. A metal's price is that of an ounce.
    """

    name: str
    kind: str
    what: str
    currency: str
    charts: frozenset[str]


def _read() -> dict[str, NamedCfd]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {
            row["name"]: NamedCfd(
                name=row["name"],
                kind=row["kind"],
                what=row["what"],
                currency=row["currency"],
                charts=frozenset(row["charts"].split()),
            )
            for row in csv.DictReader(file)
        }


NAMED: Mapping[str, NamedCfd] = _read()
METALS = frozenset(cfd.name for cfd in NAMED.values() if cfd.kind == "metal")
_BY_CHART = {chart: cfd for cfd in NAMED.values() for chart in cfd.charts}


def of_chart(symbol: str) -> NamedCfd | None:
    """The CFD on what a chart of this name shows; None where there is none."""
    return _BY_CHART.get(symbol)


def pair_of(ticker: str) -> tuple[str, str] | None:
    """Of the name of a CFD on a currency pair both currencies; None for any other."""
    match = _PAIR.fullmatch(ticker)
    return (match[1], match[2]) if match and {match[1], match[2]} <= CURRENCIES else None


def is_on_share(ticker: str) -> bool:
    """Whether a CFD is on a share."""
    return ticker not in NAMED and pair_of(ticker) is None


def is_spot(ticker: str) -> bool:
    """Whether a CFD is on a currency pair or a metal, and trades by their hours: around the clock from Sunday to Friday."""
    return ticker in METALS or pair_of(ticker) is not None


def kind_of(ticker: str) -> str:
    """What a CFD is on, as schedules of fees tell it: index, metal, forex (a currency pair) or share."""
    if (named := NAMED.get(ticker)) is not None:
        return named.kind
    return "share" if pair_of(ticker) is None else "forex"
