"""Entries as a file, sent while they are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Any

from accounts import downloads
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


def record(entry: AuditEntry) -> dict[str, Any]:
    """An entry with all that is signed, and its signature."""
    at = entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {
        **{name: getattr(entry, name, None) for name in COLUMNS},
        "at": at,
        "actor": entry.actor_name,
    }


def as_csv(entries: Iterable[AuditEntry | None]) -> Iterator[str]:
    """Lines of a CSV file, an entry a line; None as for `downloads.as_csv`."""
    cells = (None if entry is None else map(_text, record(entry).values()) for entry in entries)
    return downloads.as_csv(COLUMNS, cells)


def as_json(entries: Iterable[AuditEntry | None]) -> Iterator[str]:
    """One JSON array, an entry a line; None as for `downloads.as_json`."""
    return downloads.as_json(None if entry is None else record(entry) for entry in entries)


def _text(value: Any) -> str:
    """A value as the text of a cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


FORMATS: dict[str, Callable[[Iterable[AuditEntry | None]], Iterator[str]]] = {"csv": as_csv, "json": as_json}
