"""Beats of a live stream, taken as they arrive: ten thousand streams beat a thousand times a second and say nothing else.

Everything that is not exactly one beat, as IBKR writes it and in a frame of its own, goes to aiohttp unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp

# As IBKR sends it to every stream every ten seconds: nothing has to be decoded to know one.
BEAT = re.compile(rb'\{\s*"topic"\s*:\s*"system"\s*,\s*"hb"\s*:\s*([0-9]{1,16})\s*\}')
LONGEST = 80
# A whole text in one frame without a mask; its second byte is then its length.
_WHOLE_TEXT = 0x81
_MASKED, _LENGTH = 0x80, 0x7F
_LENGTH_OF_TWO, _LENGTH_OF_EIGHT = 126, 127


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> tuple[bool, bytes]: ...
    def feed_eof(self) -> None: ...


class Beats:
    """Stands before aiohttp's parser of one websocket, from its first byte."""

    def __init__(self, parser: _Parser) -> None:
        self._parser = parser
        # Asked whether it takes a beat.
        self.taken: Callable[[bytes], bool] | None = None
        # Messages that were passed on, counted as soon as they begin to end.
        self.messages = 0
        # Bytes of the frame that has begun which are still to come, and a head that came in two parts.
        self._rest, self._head = 0, b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take a beat where a frame begins and somebody takes it; pass on all else."""
        if (
            self.taken is not None
            and 3 < len(data) < LONGEST
            and data[0] == _WHOLE_TEXT
            and data[1] == len(data) - 2
            and not self._rest
            and not self._head
            and BEAT.fullmatch(data, 2)
            and self.taken(data[2:])
        ):
            return False, b""
        self._walk(data)
        return self._parser.feed_data(data)

    def feed_eof(self) -> None:
        """The other side has said all."""
        self._parser.feed_eof()

    def _walk(self, data: bytes) -> None:
        """Count the frames along, to know where one begins."""
        data, self._head = self._head + data, b""
        at = 0
        while at < len(data):
            if self._rest:
                step = min(self._rest, len(data) - at)
                self._rest -= step
                at += step
                continue
            size, length = _head_of(data, at)
            if at + size > len(data):
                self._head = data[at:]
                return
            self.messages += data[at] >> 7
            self._rest, at = length, at + size


def _head_of(data: bytes, at: int) -> tuple[int, int]:
    """The size of a frame's head and what follows it; the size alone where the head is not whole."""
    if len(data) - at < 2:
        return 2, 0
    said = data[at + 1]
    size, length = 2, said & _LENGTH
    if length == _LENGTH_OF_TWO:
        size, length = 4, int.from_bytes(data[at + 2 : at + 4])
    elif length == _LENGTH_OF_EIGHT:
        size, length = 10, int.from_bytes(data[at + 2 : at + 10])
    return size, length + 4 * bool(said & _MASKED)


class Socket(aiohttp.ClientWebSocketResponse):
    """A websocket whose beats can be taken before anything is made of them. aiohttp has no public place for it: it puts the
    parser here before it reads."""

    beats: Beats | None = None

    @property
    def _parser(self) -> Any:
        return self.beats

    @_parser.setter
    def _parser(self, parser: Any) -> None:
        self.beats = None if parser is None else Beats(parser)
