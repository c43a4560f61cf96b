"""What has a chart and cannot be bought: indices, yields, raw materials; and what follows them and can."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brokers.domain.sentences import any_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Untradable:
    """One row of untradable.csv. Of `only_prefixed` names a US stock has the same one: they are meant only behind the
    prefix of another venue."""

    what: str
    futures: tuple[str, ...]
    funds: tuple[str, ...]
    only_prefixed: frozenset[str]

    def instead(self) -> str:
        """ "Trade ES or MES (futures) or SPY (a fund) instead." """
        ways = [f"{any_of(self.futures)} (futures)"] * bool(self.futures)
        ways += [f"{any_of(self.funds)} (a fund)"] * bool(self.funds)
        return f"Trade {any_of(ways)} instead."


def _read() -> dict[str, Untradable]:
    rows: dict[str, Untradable] = {}
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            each = Untradable(
                what=row["what"],
                futures=tuple(row["futures"].split()),
                funds=tuple(row["funds"].split()),
                only_prefixed=frozenset(row["only_prefixed"].split()),
            )
            rows |= dict.fromkeys(row["names"].split(), each)
    return rows


UNTRADABLE: Mapping[str, Untradable] = _read()


def untradable(symbol: str, *, prefixed: bool = False) -> Untradable | None:
    """What a symbol stands for that nobody can buy. `prefixed`: a venue that lists no US stocks was named before it."""
    row = UNTRADABLE.get(symbol)
    return None if row is None or (symbol in row.only_prefixed and not prefixed) else row
