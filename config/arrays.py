"""Lists sent to Postgres. A bulk insert sends its columns as arrays, and the JSON of decisions is full of quotes."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.types.array import ListDumper


class QuotingListDumper(ListDumper):
    """Every element in quotes, which Postgres allows, escaped by two replacements instead of a regular expression."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        dumper = self.sub_dumper
        if dumper is None or any(isinstance(element, list) for element in obj):
            return super().dump(obj)
        return b"{" + b",".join(_quoted(None if element is None else dumper.dump(element)) for element in obj) + b"}"


def _quoted(element: Buffer | None) -> bytes:
    if element is None:
        return b"NULL"
    return b'"' + bytes(element).replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def register() -> None:
    """Use QuotingListDumper from the next connection on."""
    psycopg.adapters.register_dumper(list, QuotingListDumper)
