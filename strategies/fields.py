"""One field of a message at a time: numbers, words and texts, or one sentence about what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from strategies.domain.refusals import Refused, invalid
from strategies.strict_json import printable

_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,2})?", re.ASCII)
# {{close}} is TradingView's, %last_price% TrendSpider's.
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|%[A-Za-z_]+%", re.DOTALL)
_MOST = Decimal(10) ** 15
_LEAST_EXPONENT = -20


def number(value: object) -> Decimal | None:
    """A JSON number or a numeric string as a decimal; None when it is neither, or beyond any market's size."""
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return None
        found = Decimal(text)
    elif isinstance(value, Decimal):
        found = value
    elif isinstance(value, int) and not isinstance(value, bool):
        found = Decimal(value)
    else:
        return None
    exponent = found.as_tuple().exponent
    sane = isinstance(exponent, int) and exponent >= _LEAST_EXPONENT and abs(found) < _MOST
    return found if sane else None


def above_zero(name: str, value: object, code: str) -> Decimal:
    """A number that shapes an order: above zero, or Refused."""
    refuse_placeholder(name, value)
    found = number(value)
    if found is None:
        raise invalid(
            code, f"{name} is {shown(value)}, which is not a number. Send digits only, such as 10 or 10.5.", field=name
        )
    if found <= 0:
        raise invalid(code, f"{name} is {shown(value)}. Send a number above zero.", field=name)
    return found


def word(name: str, value: object, allowed: Mapping[str, Any], code: str) -> Any:
    """One of a field's words, in any case, as the value it stands for; or Refused with the words to choose from."""
    refuse_placeholder(name, value)
    found = allowed.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        words = ", ".join(dict.fromkeys(allowed))
        raise invalid(code, f"{name} is {shown(value)}. Use one of: {words}.", field=name)
    return found


def refuse_placeholder(name: str, value: object) -> None:
    """A template's placeholder that nobody filled in must not reach an order."""
    if placeholder := find_placeholder(value):
        raise unexpanded(name, placeholder)


def find_placeholder(value: object) -> str:
    """The first placeholder in a text, or nothing."""
    match = _PLACEHOLDER.search(value) if isinstance(value, str) else None
    return match[0] if match else ""


def unexpanded(name: str, placeholder: str) -> Refused:
    return invalid(
        "unexpanded-placeholder",
        f"{name} still holds the placeholder {printable(placeholder)}. "
        "Send it from the platform that fills it in, or write the value itself.",
        field=name,
    )


def is_blank(value: object) -> bool:
    """Pine templates with empty inputs send empty strings; they mean an absent field."""
    return isinstance(value, str) and not value.strip()


def shown(value: object) -> str:
    """A value as the sender will recognise it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f'"{printable(value)}"' if value else "empty"
    return printable(str(value))
