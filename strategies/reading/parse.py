"""Reads bytes into a Message, or refuses them with one coded sentence. Never drops or guesses what shapes an order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading import contract
from strategies.reading.strict_json import read_text, text_of

__all__ = ["Reading", "Refused", "evaluate", "parse", "text_of"]

BODY_LIMIT = 64 * 1024

# The asset classes as the cases write them.
_CLASSES = {"stocks": "stock", "futures": "future", "options": "option"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body says, with warning codes such as `unknown-field:alertName`."""

    message: Message
    warnings: tuple[str, ...]
    text: str
    values: dict[str, Any]

    def canonical(self) -> dict[str, Any]:
        """The reading with its warnings, as the cases write it."""
        canonical = self.message.reading()
        return {**canonical, "warnings": list(self.warnings)} if self.warnings else canonical


def parse(body: bytes, *, kind: Kind, allowed_tickers: Collection[str] = (), now: datetime) -> Reading:
    """The reading of a body for a strategy of this kind; raises Refused."""
    if len(body) > BODY_LIMIT:
        raise too_large(BODY_LIMIT)
    text = text_of(body)
    values = read_text(text)
    message, warnings = contract.read(values, kind=kind, allowed_tickers=allowed_tickers, now=now)
    return Reading(message, warnings, text, values)


def evaluate(case: dict[str, Any]) -> dict[str, Any]:
    """The contract's answer to a case: its `body` under its `context` (asset_class, now, allowed_tickers).

    `{"expect": "accept", "canonical": ...}` or `{"expect": "reject", "status", "messageCode", "message", "field"}`.
    """
    context = case.get("context", {})
    kind = context.get("asset_class", "stocks")
    body = case.get("body", "")
    try:
        reading = parse(
            body if isinstance(body, bytes) else str(body).encode("utf-8", "surrogatepass"),
            kind=Kind(_CLASSES.get(kind, kind)),
            allowed_tickers=context.get("allowed_tickers") or context.get("allow_list") or (),
            now=datetime.fromisoformat(context["now"]),
        )
    except Refused as refused:
        return {
            "expect": "reject",
            "status": refused.status,
            "messageCode": refused.code,
            "message": refused.message,
            "field": refused.field,
        }
    return {"expect": "accept", "canonical": reading.canonical()}


def too_large(limit: int) -> Refused:
    """The 413 of a body over the limit."""
    sentence = f"The message is over {limit // 1024} KiB. Leave out what the order does not need."
    return Refused(413, "payload-too-large", sentence)
