"""The log as a file, written while it is read: JSON, or CSV in which no spreadsheet finds a formula."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from strategies.live import Row
from strategies.models import Refusal, Signal
from strategies.reading.fields import names
from strategies.reading.warnings import sentence
from strategies.webhook.headers import shown

COLUMNS = names(
    "kind received_at strategy ticker action outcome code sentence answered repeats test not_before address "
    "content_type id log_id warnings decisions repeated reading headers body forgotten_at"
)
# Characters that begin a formula, or that a spreadsheet skips before one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def record(row: Row) -> dict[str, Any]:
    """One delivery as plain values; every record has the same keys."""
    if row.signal is not None and row.outcome is not None:
        values = _of_signal(row.signal) | {"outcome": row.outcome.word, "sentence": row.outcome.sentence}
    elif row.refusal is not None:
        values = _of_refusal(row.refusal)
    else:
        raise ValueError("a row of the log is a signal or a refusal")
    return {name: values.get(name) for name in COLUMNS}


def _of_signal(signal: Signal) -> dict[str, Any]:
    return _transport(signal) | {
        "kind": "signal",
        "strategy": signal.strategy.name,
        "ticker": signal.ticker,
        "action": signal.action,
        "code": signal.set_aside,
        "answered": 200,
        "test": signal.is_test,
        "not_before": _moment(signal.not_before),
        "id": str(signal.code),
        "warnings": [sentence(code) for code in signal.warnings],
        "reading": signal.reading,
        "forgotten_at": _moment(signal.forgotten_at),
        "repeats": signal.duplicates,
        "repeated": [
            {"received_at": _moment(repeat.received_at), "address": repeat.address, "log_id": str(repeat.log_code)}
            for repeat in signal.repeats.all()
        ],
        "decisions": [
            {
                "account": decision.subscription.account.account_id,
                "status": decision.status,
                "rule": decision.rule,
                "code": decision.reason_code,
                "reason": decision.reason or decision.waiting_for,
            }
            for decision in signal.decisions.all()
        ],
    }


def _of_refusal(refusal: Refusal) -> dict[str, Any]:
    return _transport(refusal) | {
        "kind": "refusal",
        "strategy": refusal.endpoint.strategy.name,
        "outcome": "refused",
        "code": refusal.message_code,
        "sentence": refusal.sentence,
        "answered": refusal.status,
    }


def _transport(delivery: Signal | Refusal) -> dict[str, Any]:
    return {
        "received_at": _moment(delivery.received_at),
        "address": delivery.address,
        "content_type": delivery.content_type,
        "log_id": str(delivery.log_code),
        "headers": shown(delivery.headers),
        "body": delivery.body,
    }


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def as_csv(rows: Iterable[Row]) -> Iterator[str]:
    """Lines of a CSV file (RFC 4180), headed by the names of the columns."""
    writer = csv.writer(_Echo())
    # A mark that tells spreadsheets the text is UTF-8.
    yield "\ufeff" + writer.writerow(COLUMNS)
    for row in rows:
        yield writer.writerow([cell(value) for value in record(row).values()])


def cell(value: Any) -> str:
    """A value as text that a spreadsheet shows and never runs."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() if all(isinstance(word, str) for word in value):
            text = " ".join(value)
        case dict() | list():
            text = json.dumps(value, ensure_ascii=False) if value else ""
        case _:
            text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Echo:
    """A file whose `write` returns the line, for `csv.writer` to hand on."""

    def write(self, line: str) -> str:
        return line


def as_json(rows: Iterable[Row]) -> Iterator[str]:
    """One JSON array, a delivery a line."""
    yield "["
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n{json.dumps(record(row), ensure_ascii=False)}"
    yield "\n]\n"


FORMATS: dict[str, tuple[str, Callable[[Iterable[Row]], Iterator[str]]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "json": ("application/json", as_json),
}
