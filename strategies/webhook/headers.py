"""The headers of a delivery as the log shows them: secrets masked, and at most 30 of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping

MOST, LONGEST = 30, 300
MASK = "•••"
# A header with one of these in its name may carry a secret.
_SECRET = re.compile(r"authorization|cookie|token|secret|password|signature|api-?key|auth|session")


def shown_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names and values as text, secrets masked; a header that came twice keeps its last value."""
    text: dict[str, str] = {}
    for name, value in headers:
        if len(text) >= MOST:
            break
        word = plain(name)[:60].lower()
        text[word] = MASK if is_secret(word) else plain(value)[:LONGEST]
    return text


def shown(stored: Mapping[str, str]) -> dict[str, str]:
    """Stored headers, masked once more: more names may count as secret since they were stored."""
    return {name: MASK if is_secret(name) else value for name, value in stored.items()}


@functools.lru_cache(maxsize=1_000)
def is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


@functools.lru_cache(maxsize=2_000)
def plain(header: bytes) -> str:
    """Printable text of a header's bytes."""
    return "".join(letter for letter in header.decode("latin-1") if letter.isprintable())
