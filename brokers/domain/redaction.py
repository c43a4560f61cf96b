"""What of a request and its answer may be kept: short, on one line, and without secrets, account numbers and names.

A text passes three sieves. Under a key that speaks of an account, a person or a way in, nothing passes. Everywhere, what
is known to be secret is masked, in each form that it may come back in. And what has the shape of an account number, an
address of a person or a token is masked even where nobody has heard of it.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "•••"
CUT = "…"
TEXT, EXCERPT, ADDRESS = 200, 600, 200
# What a clip keeps of a value, so that a page of an answer is not held until it is written.
_CLIP_TEXT, _CLIP_ALL, _VALUES, _DEPTH = 4096, 16_384, 60, 6
# A partial token at the end of a clipped text is shorter than this.
_TAIL = 64
# Keys of IBKR's answers are this long at the most; what they speak of is kept in mind.
_COMMON_KEY = 64

# What a key speaks of, without its punctuation and in lower case: parts of a key, and keys as a whole.
_PRIVATE_PARTS = re.compile(
    "acct|account|alias|challenge|consumerkey|cookie|credential|diffie|displayname|email|firstname|hardware|hash"
    "|holder|lastname|legalentity|login|mail|owner|passw|person|phone|prepend|secret|session|signature|sso|title"
    "|token|user"
)
_PRIVATE_KEYS = frozenset({"auth", "authorization", "desc", "ip", "key", "lst", "mac", "name", "pwd", "sid"})
_PUNCTUATION = re.compile(r"[^a-z0-9]+")

_SHAPES = (
    # U1234567, DU1234567, F1234567, SIM0000001, U1234567A
    re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{1,4}[0-9]{5,12}[A-Za-z]?(?![A-Za-z0-9])"),
    # name@example.com
    re.compile(r"[^\s@<>\"']{1,64}@[^\s@<>\"']{1,255}"),
    # What follows the name of a way in, as in a cookie, a header or a query.
    re.compile(
        r"(?i)(?:(?:token|secret|password|passwd|session|cookie|signature|credential|username|user|api|sid|pwd)"
        r"[\"']?\s?[:=]\s?|(?:authorization|bearer|basic)\s?[:= ]\s?)[^\s,;&]{3,}"
    ),
    # Keys, tokens and hashes: a long run of letters and digits.
    re.compile(
        r"(?<![A-Za-z0-9+/_=.-])(?=[A-Za-z+/_=.-]{0,200}[0-9])(?=[0-9+/_=.-]{0,200}[A-Za-z])[A-Za-z0-9+/_=.-]{24,}"
    ),
    re.compile(r"-----BEGIN.*", re.DOTALL),
)
# What opens nothing: the numbers of IBKR's questions, which are UUIDs, and the references that we give our orders.
_HARMLESS = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|hy-[0-9a-f]{32}")


def clip(value: Any) -> Any:
    """A small copy of a value, which a Redactor can read later: nothing of it changes or holds much."""
    return _Clip().of(value, _DEPTH)


class _Clip:
    """What is left to take of one value."""

    def __init__(self) -> None:
        self.values, self.characters = _VALUES, _CLIP_ALL

    def of(self, value: Any, depth: int) -> Any:
        self.values -= 1
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool | int | float | Decimal):
            return value
        if depth and isinstance(value, Mapping):
            pairs = islice(value.items(), max(0, self.values))
            return {self._text(str(key)): self.of(each, depth - 1) for key, each in pairs if self.values > 0}
        if depth and isinstance(value, Sequence):
            rows = islice(value, max(0, self.values))
            return [self.of(each, depth - 1) for each in rows if self.values > 0]
        return CUT

    def _text(self, text: str) -> str:
        self.characters -= min(len(text), _CLIP_TEXT)
        return text[:_CLIP_TEXT] if self.characters > 0 else CUT


class Redactor:
    """Masks the texts of one connection. `secrets` are texts that it knows: secrets, user names, accounts and names."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._longest = max((len(form) for form in forms), default=0)
        # Of one or two letters, only a word of its own is masked: anything else would be every word.
        patterns = [
            re.escape(form) if len(form) > 2 else rf"(?<![^\W_]){re.escape(form)}(?![^\W_])" for form in longest_first
        ]
        self._known = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    def text(self, value: str, most: int = TEXT) -> str:
        """A text on one line, masked and then cut: a half of a secret would be known by nobody."""
        plain = _plain(value[:_CLIP_TEXT])
        masked = self._mask(plain)
        # A word of letters alone has none of the shapes.
        for shape in () if masked.isalpha() else _SHAPES:
            masked = shape.sub(_masked, masked)
        if len(value) >= _CLIP_TEXT:
            masked = masked[: max(0, len(masked) - max(_TAIL, self._longest))]
        return masked if len(masked) <= most else masked[: most - 1] + CUT

    def excerpt(self, value: Any) -> str:
        """A value as a short JSON text; nothing for nothing."""
        if value is None:
            return ""
        shown = json.dumps(self._value(clip(value), private=False), ensure_ascii=False, default=str)
        masked = self._mask(shown)
        return masked if len(masked) <= EXCERPT else masked[: EXCERPT - 1] + CUT

    def address(self, endpoint: str, parts: Mapping[str, str], params: Mapping[str, str]) -> str:
        """The path with its {names} filled in, and the query."""
        path = endpoint
        for name, part in parts.items():
            path = path.replace(f"{{{name}}}", str(self._value(part, private=_is_private(name))))
        query = "&".join(
            f"{self.text(name)}={self._value(text, private=_is_private(name))}" for name, text in params.items()
        )
        masked = self._mask(f"/{path}?{query}" if query else f"/{path}")
        return masked if len(masked) <= ADDRESS else masked[: ADDRESS - 1] + CUT

    def _value(self, value: Any, *, private: bool) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Mapping):
            return {
                MASK if private else self.text(key): self._value(each, private=private or _is_private(key))
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._value(each, private=private) for each in value]
        if private:
            return MASK
        if isinstance(value, str):
            return self.text(value)
        shown = str(value)
        return value if self._mask(shown) == shown else MASK

    def _mask(self, text: str) -> str:
        return self._known.sub(MASK, text) if self._known is not None else text


def _masked(match: re.Match[str]) -> str:
    """The mask, but for what opens nothing."""
    return match[0] if _HARMLESS.fullmatch(match[0]) else MASK


def _is_private(key: str) -> bool:
    return _speaks_of_somebody(key) if len(key) <= _COMMON_KEY else _speaks_of_somebody.__wrapped__(key)


@lru_cache(maxsize=2048)
def _speaks_of_somebody(key: str) -> bool:
    plain = _PUNCTUATION.sub("", unicodedata.normalize("NFKC", key).lower())
    return plain in _PRIVATE_KEYS or _PRIVATE_PARTS.search(plain) is not None


def _plain(text: str) -> str:
    """A text on one line, without characters that cannot be seen or stored: they would part what belongs together."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    seen = unicodedata.normalize("NFKC", text)
    kept = (" " if each.isspace() or unicodedata.category(each) == "Cc" else each for each in seen)
    return " ".join("".join(each for each in kept if unicodedata.category(each) not in _UNSEEN).split())


_UNSEEN = frozenset({"Cf", "Cs", "Co", "Cn"})


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may come back: as it is, line by line, in an address, and in the header of a simple sign-in."""
    whole = _plain(secret)
    lines = [plain for line in secret.splitlines() if len(plain := _plain(line)) > 7] if "\n" in secret else []
    for form in [whole, *lines]:
        if form:
            yield form
            yield quote(form, safe="")
            yield quote_plus(form)
            if len(form) > 2:
                yield base64.b64encode(form.encode()).decode().rstrip("=")
