"""Readers of one field of a message: each returns its value, or raises Refused with a sentence that helps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from strategies.domain.message.refusals import Refused, invalid
from strategies.domain.numbers import snap
from strategies.reading.strict_json import printable

_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,2})?", re.ASCII)
# {{close}} is TradingView's, %last_price% TrendSpider's.
_PLACEHOLDER = re.compile(r"\{\{.{0,80}?\}\}|%[A-Za-z_]{1,40}%", re.DOTALL)
# Bounded above and here: an unclosed "{{" tried at each of 60,000 places takes a minute.
_SEARCHED = 1_000
_SECONDS = re.compile(r"\d{10,19}(?:\.\d{1,9})?", re.ASCII)
_PINE_SYMBOL = re.compile(r'"symbol" ?: ?"([A-Za-z0-9:._!/-]{1,40})"')
_UTC_IN_WORDS = re.compile(r" ?(?:UTC|GMT)$", re.IGNORECASE)
_FIRST_SECOND, _LAST_SECOND = 10**9, 4_102_444_800
MOST_DIGITS_BEFORE_THE_POINT = 15
MOST_DIGITS_AFTER_THE_POINT = 20


def names(text: str) -> tuple[str, ...]:
    """Names written on one line, separated by spaces."""
    return tuple(text.split())


def vocabulary(text: str) -> dict[str, str]:
    """The words a field may hold, for `word`: each stands for itself."""
    return {name: name for name in text.split()}


def number(value: object) -> Decimal | None:
    """A JSON number or a numeric string as a decimal; None when it is neither, or beyond any market's size."""
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return None
        decimal = Decimal(text)
    elif isinstance(value, Decimal):
        decimal = value
    elif isinstance(value, int) and not isinstance(value, bool):
        decimal = Decimal(value)
    else:
        return None
    # Only inspected: arithmetic on 1e400000000 raises or never ends.
    if not decimal.is_finite() or decimal.adjusted() >= MOST_DIGITS_BEFORE_THE_POINT:
        return None
    exponent = decimal.as_tuple().exponent
    return decimal if isinstance(exponent, int) and exponent >= -MOST_DIGITS_AFTER_THE_POINT else None


def above_zero(name: str, value: object, code: str) -> Decimal:
    """A number that shapes an order: above zero, or Refused."""
    refuse_placeholder(name, value)
    decimal = number(value)
    if decimal is None:
        raise invalid(
            code, f"{name} is {shown(value)}, which is not a number. Send digits only, such as 10 or 10.5.", field=name
        )
    if decimal <= 0:
        raise invalid(code, f"{name} is {shown(value)}. Send a number above zero.", field=name)
    return decimal


def word(name: str, value: object, allowed: Mapping[str, Any], code: str) -> Any:
    """The value that a word stands for, in any case; Refused names the words to choose from."""
    refuse_placeholder(name, value)
    meaning = allowed.get(value.strip().lower()) if isinstance(value, str) else None
    if meaning is None:
        words = ", ".join(dict.fromkeys(allowed))
        raise invalid(code, f"{name} is {shown(value)}. Use one of: {words}.", field=name)
    return meaning


def refuse_placeholder(name: str, value: object) -> None:
    """A placeholder that the sender's platform has not replaced must not reach an order."""
    if placeholder := find_placeholder(value):
        raise unexpanded(name, placeholder)


def find_placeholder(value: object) -> str:
    """The first placeholder in a text, or nothing."""
    if not isinstance(value, str) or not ("{{" in value or "%" in value):
        return ""
    match = _PLACEHOLDER.search(value[:_SEARCHED])
    return match[0] if match else ""


def unexpanded(name: str, placeholder: str) -> Refused:
    return invalid(
        "unexpanded-placeholder",
        f"{name} still holds the placeholder {printable(placeholder)}. "
        "Send it from the platform that fills it in, or write the value itself.",
        field=name,
    )


def is_blank(value: object) -> bool:
    """Pine templates with empty inputs send empty strings, which mean an absent field."""
    return isinstance(value, str) and not value.strip()


def is_absent(value: object) -> bool:
    """null and an empty text mean that the field was left out."""
    return value is None or is_blank(value)


def shown(value: object) -> str:
    """A value in words the sender recognises."""
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


def whole(name: str, value: object, code: str, low: int, high: int) -> int:
    """A whole number within its bounds, or Refused."""
    refuse_placeholder(name, value)
    decimal = number(value)
    decimal = None if decimal is None else snap(decimal)
    if decimal is None or decimal != decimal.to_integral_value() or not low <= decimal <= high:
        raise invalid(code, f"{name} is {shown(value)}. Send a whole number from {low} to {high}.", field=name)
    return int(decimal)


def zero_or_more(name: str, value: object, code: str) -> Decimal:
    """A number that may be zero, or Refused."""
    refuse_placeholder(name, value)
    decimal = number(value)
    if decimal is None or decimal < 0:
        raise invalid(code, f"{name} is {shown(value)}. Send zero or a number above it.", field=name)
    return decimal


def flag(name: str, value: object, code: str) -> bool:
    """true or false, also as text, since some platforms quote everything; or Refused."""
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower(), value)
    return literal(name, value, code)


def literal(name: str, value: object, code: str) -> bool:
    """true or false without quotation marks, or Refused."""
    refuse_placeholder(name, value)
    if not isinstance(value, bool):
        raise invalid(code, f"{name} is {shown(value)}. Send true or false, without quotation marks.", field=name)
    return value


def moment(value: object) -> datetime | None:
    """A moment in UTC: ISO 8601 (without an offset it is UTC), seconds or finer since 1970, or as in an e-mail; else None."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return _since_1970(Decimal(value))
    if not isinstance(value, str) or len(value) > 40:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return _since_1970(Decimal(text))
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = read(_UTC_IN_WORDS.sub("+00:00", text) if read == datetime.fromisoformat else text)
            return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError, TypeError):
            continue
    return None


def _since_1970(count: Decimal) -> datetime | None:
    """A count of seconds, milli-, micro- or nanoseconds, by its size; None outside of the years 2001 to 2100."""
    if not count.is_finite() or not _FIRST_SECOND <= count < _LAST_SECOND * 10**9:
        return None
    for unit in (1, 10**3, 10**6, 10**9):
        if _FIRST_SECOND <= count / unit < _LAST_SECOND:
            whole, rest = divmod(count / unit, 1)
            return datetime.fromtimestamp(int(whole), UTC) + timedelta(microseconds=int(rest * 10**6))
    return None


def pine_symbol(ticker: str) -> str:
    """The symbol in a chart's id such as ={"session":"extended","symbol":"NASDAQ:AAPL"}; empty when there is none."""
    match = _PINE_SYMBOL.search(ticker[:_SEARCHED])
    return match[1] if match else ""


def label(value: object) -> str | None:
    """A short text or number; None for anything else, or when it holds a placeholder."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)) or find_placeholder(value):
        return None
    return str(value)[:40]


def json_values(value: Any) -> Any:
    """Free-form values as JSON can hold them: decimals exact, as text where a float would change them."""
    if isinstance(value, dict):
        return {key: json_values(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [json_values(inner) for inner in value]
    if isinstance(value, Decimal):
        as_float = float(value)
        return as_float if Decimal(repr(as_float)) == value else str(value)
    return value
