"""IBKR's contracts for difference on indices, by their own names, and the charts that show what they follow.

CFDs on shares need no table: they are named by their share.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexCfd:
    """One row of cfds.csv: IBKR's name, the index, the currency of its prices, and names of charts that show the index."""

    name: str
    what: str
    currency: str
    charts: frozenset[str]


def _read() -> dict[str, IndexCfd]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {
            row["name"]: IndexCfd(
                name=row["name"], what=row["what"], currency=row["currency"], charts=frozenset(row["charts"].split())
            )
            for row in csv.DictReader(file)
        }


INDICES: Mapping[str, IndexCfd] = _read()
_BY_CHART = {chart: cfd for cfd in INDICES.values() for chart in cfd.charts}


def of_chart(symbol: str) -> IndexCfd | None:
    """The CFD on the index that a chart of this name shows; None where there is none."""
    return _BY_CHART.get(symbol)
