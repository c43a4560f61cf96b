"""Reads the fields that inform about a signal and identify it: price, time, ids, texts, tags."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from strategies.domain.message.refusals import invalid
from strategies.reading import fields
from strategies.reading.sent import SentFields

SIGNAL_ID_LENGTH = ORDER_ID_LENGTH = 120
MESSAGE_LENGTH = 500
MOST_TAGS, TAG_LENGTH = 20, 50


def notes(sent: SentFields) -> dict[str, Any]:
    """The fields that inform and identify. An unusable one is ignored with a warning, except the signalId, which guards
    against repeats: that one is refused.
    """
    values: dict[str, Any] = {"signal_id": sent.read("signalId", _signal_id)}
    for name in ("signalPrice", "price"):
        if name in sent.known and "signal_price" not in values:
            price = fields.number(sent.value(name))
            if price is not None and price > 0:
                values["signal_price"] = price
            else:
                sent.ignore(name)
    for name, key, read in (
        ("time", "signal_time", fields.moment),
        ("interval", "", fields.label),
        ("orderId", "order_id", _order_id),
        ("extras", "extras", _extras),
    ):
        if name in sent.known:
            value = read(sent.value(name))
            if value is None:
                sent.ignore(name)
                if name == "time":
                    values["unreadable_time"] = True
            elif key:
                values[key] = value
    return values | {"message": sent.read("message", _message), "tags": sent.read("tags", _tags)}


def _signal_id(name: str, value: object) -> str:
    fields.refuse_placeholder(name, value)
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not text or len(text) > SIGNAL_ID_LENGTH or not text.isprintable():
        raise invalid(
            "invalid-signal-id",
            f"{name} is {fields.shown(value)}. Send text of at most {SIGNAL_ID_LENGTH} characters.",
            field=name,
        )
    return text


def _order_id(value: object) -> str | None:
    """The sender's name of its order, cut to its length: it tells orders apart and shapes none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)) or fields.find_placeholder(value):
        return None
    return str(value).strip()[:ORDER_ID_LENGTH]


def _message(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > MESSAGE_LENGTH:
        raise invalid(
            "invalid-message-length",
            f"{name} is not text of at most {MESSAGE_LENGTH} characters. Shorten it.",
            field=name,
        )
    return value


def _tags(name: str, value: object) -> tuple[str, ...]:
    tags: list[Any] = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [None]
    if len(tags) > MOST_TAGS or not all(isinstance(tag, str) and len(tag) <= TAG_LENGTH for tag in tags):
        raise invalid(
            "invalid-message-tags",
            f"{name} is not a list of at most {MOST_TAGS} texts of {TAG_LENGTH} characters. Shorten it.",
            field=name,
        )
    return tuple(tag.strip() for tag in tags)


def _extras(value: object) -> dict[str, Any] | None:
    return fields.json_values(value) if isinstance(value, dict) else None
