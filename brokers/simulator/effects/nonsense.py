"""What a gateway that means harm sends instead of an answer, or over the websocket: each a kind by name."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping

from brokers.simulator.wire import Answer

_MEGABYTE = 1024 * 1024
_FLOOD = 5000


def _number() -> bytes:
    """A few bytes that are a number of six hundred thousand digits, in every place where one is read."""
    row = b'{"conid":1e600000,"orderId":1e600000,"position":1e600000,"price":1e600000,"size":1e600000}'
    return b'{"orders":[%b],"snapshot":true,"session":1e600000,"lastUpdated":1e600000}' % row


def _digits() -> bytes:
    return b'{"orders":[{"orderId":"%b","conid":%b}]}' % (b"9" * 60_000, b"9" * 4000)


def _depth() -> bytes:
    return b"[" * 100_000 + b"]" * 100_000


def _rows() -> bytes:
    return b"[" + b"{}," * 300_000 + b"{}]"


def _text() -> bytes:
    """What no database keeps, and what no text holds."""
    return b'{"error":"\\u0000 \\ud800","message":"%b"}' % (b"<" * 20_000)


def _size() -> bytes:
    return b'{"error":"%b"}' % (b"x" * 24 * _MEGABYTE)


_KINDS: Mapping[str, Callable[[], bytes]] = {
    "number": _number,
    "digits": _digits,
    "depth": _depth,
    "rows": _rows,
    "text": _text,
    "size": _size,
}


def body(kind: str) -> bytes:
    """The bytes of a kind; ValueError for one that nobody knows."""
    if kind not in _KINDS:
        raise ValueError(f"Nonsense is one of {', '.join([*_KINDS, 'gzip', 'flood'])}.")
    return _KINDS[kind]()


def answer(kind: str) -> Answer:
    """The answer to a call: of a kind, or 64 megabytes that are small while they are packed."""
    if kind == "gzip":
        packed = gzip.compress(b"[" + b" " * (64 * _MEGABYTE), compresslevel=9)
        return Answer(raw=packed, headers={"Content-Encoding": "gzip"})
    return Answer(raw=body(kind))


def frames(kind: str) -> list[str]:
    """What a websocket says: the kind once, or a great many small messages."""
    if kind == "flood":
        return ['{"topic":"sor","args":[{"orderId":1}]}'] * _FLOOD
    return [body(kind).decode("ascii")]
