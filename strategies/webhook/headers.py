"""The headers of a delivery as the log shows them: no secret among them, and no more than a page of them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

MOST, LONGEST = 30, 300
MASK = "•••"
# What carries a secret, or may: the name tells.
_SECRET = (
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "signature",
    "api-key",
    "apikey",
    "auth",
    "session",
)


def shown_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names and values as text, secrets masked; a header that came twice keeps its last value."""
    found: dict[str, str] = {}
    for name, value in headers:
        if len(found) >= MOST:
            break
        word = plain(name)[:60].lower()
        found[word] = MASK if is_secret(word) else plain(value)[:LONGEST]
    return found


def shown(stored: Mapping[str, str]) -> dict[str, str]:
    """Headers as they were stored, masked once more: what counts as a secret may have been widened since."""
    return {name: MASK if is_secret(name) else value for name, value in stored.items()}


@functools.lru_cache(maxsize=1_000)
def is_secret(name: str) -> bool:
    return any(word in name for word in _SECRET)


@functools.lru_cache(maxsize=2_000)
def plain(header: bytes) -> str:
    """Printable text of a header's bytes."""
    return "".join(letter for letter in header.decode("latin-1") if letter.isprintable())
