"""Texts of a gateway: on one line, of a length that we keep, and of characters that a database keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LONGEST = 2000
# Each mark ends where the next one begins, so that a row of them costs no more than its length.
_MARKUP = re.compile(r"<[^<>]*>")
_CURRENCY = re.compile(r"[A-Z]{3}")
_EXCHANGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@&/-]*")
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
NO_CURRENCY = "XXX"
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def one_line(value: Any, most: int = _LONGEST) -> str:
    """A text without its line breaks and markup, cut where it is longer than anything IBKR says."""
    plain = _MARKUP.sub(" ", _plain(value)[: 2 * most])
    return " ".join(plain.split())[:most]


def text(value: Any, most: int, default: str = "") -> str:
    """A name or a word as it is, cut to what is kept of it; the default where there is none."""
    return _plain(value)[:most] or default


def name(value: Any, most: int = 64) -> str:
    """What something is known by; nothing where it is longer, since half of a name is another name."""
    plain = _plain(value)
    return plain if len(plain) <= most else ""


def currency(value: Any, default: str = "USD") -> str:
    """A currency by its three letters; the default where there is none, and XXX, of which no rate is known, where
    something else stands."""
    plain = _plain(value).upper()
    if not plain:
        return default
    return plain if _CURRENCY.fullmatch(plain) else NO_CURRENCY


def exchange(value: Any, most: int) -> str:
    """An exchange by its short name; nothing where something else stands."""
    plain = _plain(value)
    return plain if len(plain) <= most and _EXCHANGE.fullmatch(plain) else ""


def account(value: Any) -> str:
    """An account by its number; nothing where something else stands: it is part of paths, mails and sentences."""
    plain = _plain(value)
    return plain if _ACCOUNT.fullmatch(plain) else ""


def mapping(value: Any, key: str | None = None) -> Mapping[str, Any]:
    """An object of an answer, or the one under `key`; an empty one where something else stands."""
    if key is not None:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _plain(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return _UNFIT.sub("", str(value))
