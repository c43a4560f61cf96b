"""The log as a file, written while it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from accounts import downloads
from strategies.live import Row
from strategies.models import Refusal, Signal
from strategies.reading.fields import names
from strategies.reading.warnings import sentence
from strategies.webhook.headers import shown

COLUMNS = names(
    "kind received_at strategy ticker action outcome code sentence answered repeats test not_before address "
    "content_type id log_id warnings decisions repeated reading headers body forgotten_at"
)


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


def as_csv(rows: Iterable[Row | None]) -> Iterator[str]:
    """Lines of a CSV file, a delivery a line; None as for `downloads.as_csv`."""
    cells = (None if row is None else map(_text, record(row).values()) for row in rows)
    return downloads.as_csv(COLUMNS, cells)


def as_json(rows: Iterable[Row | None]) -> Iterator[str]:
    """One JSON array, a delivery a line; None as for `downloads.as_json`."""
    return downloads.as_json(None if row is None else record(row) for row in rows)


def _text(value: Any) -> str:
    """A value as the text of a cell."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() if all(isinstance(word, str) for word in value):
            return " ".join(value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False) if value else ""
        case _:
            return str(value)


FORMATS: dict[str, Callable[[Iterable[Row | None]], Iterator[str]]] = {"csv": as_csv, "json": as_json}
