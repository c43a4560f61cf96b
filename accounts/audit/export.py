"""Entries as a file, sent while they are read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any

from accounts.models import AuditEntry

COLUMNS = [
    "number",
    "at",
    "actor",
    "action",
    "subject",
    "before",
    "after",
    "address",
    "origin",
    "previous_hash",
    "hash",
]
# What a spreadsheet may take for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def record(entry: AuditEntry) -> dict[str, Any]:
    """An entry with all that is signed, and its signature."""
    at = entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {
        **{name: getattr(entry, name, None) for name in COLUMNS},
        "at": at,
        "actor": entry.actor_name,
    }


def as_csv(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Lines of a CSV file (RFC 4180), headed by the names of the columns."""
    writer = csv.writer(_Echo())
    # A mark that tells spreadsheets the text is UTF-8.
    yield "\ufeff" + writer.writerow(COLUMNS)
    for entry in entries:
        yield writer.writerow([cell(value) for value in record(entry).values()])


def as_json(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """One JSON array, an entry a line."""
    yield "["
    for number, entry in enumerate(entries):
        yield f"{',' if number else ''}\n{json.dumps(record(entry), ensure_ascii=False)}"
    yield "\n]\n"


def cell(value: Any) -> str:
    """A value as text that a spreadsheet shows and never runs."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


class _Echo:
    """A file whose `write` returns the line, for `csv.writer` to hand on."""

    def write(self, line: str) -> str:
        return line


FORMATS: dict[str, tuple[str, Callable[[Iterable[AuditEntry]], Iterator[str]]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "json": ("application/json", as_json),
}
