"""What a gateway sends, decoded within bounds: of size, depth, rows, digits and time. A gateway may be anybody's program."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_KILOBYTE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of something is still an answer."""

    size: int
    rows: int
    depth: int = 24
    values: int = 400_000
    text: int = 64 * _KILOBYTE


_DIGITS = 40
# Eight thousand orders of a day with all their fields are about eight megabytes; the answer to an order is a few hundred
# bytes. The stream begins with the whole day in one message, so that it may hold as much as a read.
READ = Bounds(size=8192 * _KILOBYTE, rows=10_000)
WRITE = Bounds(size=256 * _KILOBYTE, rows=200)
FRAME = READ
# What is longer is decoded on a thread. Its hooks let the loop have its turns meanwhile.
ON_THE_LOOP = 32 * _KILOBYTE

# Enough that one gateway at a time, which is what each client asks for, never has all of them.
_threads = ThreadPoolExecutor(4, thread_name_prefix="decoding")


class Nonsense(Exception):
    """Not what any gateway of IBKR sends; the message says in a few words what it is."""


class NotJson:
    """What was sent is no JSON: a page, or nothing."""

    def __repr__(self) -> str:
        return "NOT_JSON"


NOT_JSON = NotJson()


def decode(data: bytes, bounds: Bounds, *, exact: bool = True) -> Any:
    """The JSON of an answer or a frame, NOT_JSON where it is none; Nonsense beyond the bounds.

    `exact` reads numbers as decimals; a write's answer is stored and keeps plain floats.
    """
    if len(data) > bounds.size:
        raise Nonsense(f"more than {bounds.size // _KILOBYTE} kilobytes at once")
    # Looked for before anything is made of it: these cost memory by the piece.
    if data.count(b",") > bounds.values or data.count(b"[") + data.count(b"{") > bounds.values // 2:
        raise Nonsense("more values than an answer has")
    decoder = (_EXACT if exact else _PLAIN)[len(data) > ON_THE_LOOP]
    try:
        decoded = decoder.decode(data.decode(json.detect_encoding(data), "surrogatepass"))
    except RecursionError as problem:
        raise Nonsense("lists within lists without end") from problem
    except ValueError:
        return NOT_JSON
    return _clean(decoded if _is_small(data, bounds) else _checked(decoded, bounds), data)


def _is_small(data: bytes, bounds: Bounds) -> bool:
    """Whether no part of it can be beyond bounds: it has too few characters, commas and brackets for that."""
    return (
        len(data) <= bounds.text
        and data.count(b",") < bounds.rows
        and data.count(b"[") + data.count(b"{") < bounds.depth
    )


def is_page(data: bytes) -> bool:
    """Whether something that is no JSON is nothing, or a page: what a gateway without a login shows."""
    return data[:64].lstrip()[:1] in {b"", b"<"}


async def decode_aside(data: bytes, bounds: Bounds, *, exact: bool = True) -> Any:
    """As `decode`; what is long is decoded off the loop, so that nobody else waits for it."""
    if len(data) <= ON_THE_LOOP:
        return decode(data, bounds, exact=exact)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, lambda: decode(data, bounds, exact=exact))


def _checked(decoded: Any, bounds: Bounds) -> Any:
    """The value, once every part of it is within bounds."""
    layer, depth = [decoded], 0
    while layer:
        if depth > bounds.depth:
            raise Nonsense("lists within lists without end")
        below: list[Any] = []
        for value in layer:
            if isinstance(value, list):
                if len(value) > bounds.rows:
                    raise Nonsense(f"more than {bounds.rows} rows")
                below += value
            elif isinstance(value, dict):
                if len(value) > bounds.rows:
                    raise Nonsense(f"more than {bounds.rows} fields")
                below += value.values()
                below += value.keys()
            elif isinstance(value, str) and len(value) > bounds.text:
                raise Nonsense("a text without end")
        layer, depth = below, depth + 1
    return decoded


def _clean(decoded: Any, data: bytes) -> Any:
    """The value without characters that no database keeps; looked for only where one is written."""
    if b"\\u0000" not in data and b"\\ud" not in data.lower():
        return decoded
    return _without_unfit(decoded)


def _without_unfit(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "").encode("utf-8", "replace").decode()
        case list():
            return [_without_unfit(each) for each in value]
        case dict():
            return {_without_unfit(key): _without_unfit(each) for key, each in value.items()}
        case _:
            return value


def _integer(spelled: str) -> int:
    if len(spelled) > _DIGITS:
        raise Nonsense("a number without end")
    return int(spelled)


def _exact(spelled: str) -> Decimal:
    if len(spelled) > 2 * _DIGITS:
        raise Nonsense("a number without end")
    exact = Decimal(spelled)
    if exact and abs(exact.adjusted()) > 400:
        raise Nonsense("a number without end")
    return exact


def _plain(spelled: str) -> float | None:
    # Judged as a decimal is; infinity is no number of ours.
    _exact(spelled)
    value = float(spelled)
    return value if abs(value) != float("inf") else None


def _as_it_is(value: dict[str, Any]) -> dict[str, Any]:
    return value


def _nothing(_: str) -> None:
    """NaN and Infinity are no numbers of ours."""


def _decoder(parse_float: Callable[[str], Any], hook: Callable[[dict[str, Any]], Any] | None) -> json.JSONDecoder:
    return json.JSONDecoder(parse_float=parse_float, parse_int=_integer, parse_constant=_nothing, object_hook=hook)


# The second is for what is long. Its hook is not for what it returns: without one, a long answer of texts gives the loop
# no turn while it is read.
_EXACT = _decoder(_exact, None), _decoder(_exact, _as_it_is)
_PLAIN = _decoder(_plain, None), _decoder(_plain, _as_it_is)


class Unpacking:
    """The bytes of a body as they come, unpacked where they are packed; Nonsense as soon as they are too many."""

    def __init__(self, encoding: str, bounds: Bounds) -> None:
        self._bounds = bounds
        self._parts: list[bytes] = []
        self._size = self._packed = 0
        match encoding.strip().lower():
            case "" | "identity":
                self._unpacker = None
            case "gzip" | "x-gzip" | "deflate":
                self._unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            case _:
                raise Nonsense("an encoding that nobody asked for")

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._packed += len(chunk)
        if self._unpacker is not None:
            try:
                # Never more than what is still missing to too much.
                chunk = self._unpacker.decompress(chunk, self._bounds.size + 1 - self._size)
            except zlib.error as problem:
                raise Nonsense("a packed body that cannot be unpacked") from problem
        self._size += len(chunk)
        if max(self._size, self._packed) > self._bounds.size:
            raise Nonsense(f"more than {self._bounds.size // _KILOBYTE} kilobytes at once")
        self._parts.append(chunk)

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)
