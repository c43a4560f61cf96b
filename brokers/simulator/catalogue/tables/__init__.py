"""The catalogue's facts, one row a symbol. A row never changes its number, conid or slot: books refer to them."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
Row = dict[str, str]


@cache
def read(name: str) -> tuple[Row, ...]:
    """The rows of one table, as text."""
    with (HERE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))
