"""The fills of one account, as many of them as can be asked for: the newest as they are, and older ones packed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import overload

import msgspec

from brokers.simulator.exchange.records import Execution

# Of each account. A packed fill takes two hundred bytes in place of eight hundred.
UNPACKED = 200
_Packed = tuple[
    int, int, str, str, int, str, Decimal, Decimal, Decimal, Decimal, str, str, float, str
]  # the fields of an execution, in their order


class Fills(Sequence[Execution]):
    """In the order in which they were dealt."""

    def __init__(self) -> None:
        self._packed: deque[bytes] = deque()
        self._newest: deque[Execution] = deque()

    def append(self, fill: Execution) -> None:
        self._newest.append(fill)
        while len(self._newest) > UNPACKED:
            self._packed.append(_pack(self._newest.popleft()))

    def shorten(self, most: int, since: float) -> None:
        """Forget those before a moment, and the oldest beyond so many."""
        while self and (len(self) > most or self[0].executed_at < since):
            (self._packed or self._newest).popleft()

    def __len__(self) -> int:
        return len(self._packed) + len(self._newest)

    def __iter__(self) -> Iterator[Execution]:
        return chain(map(_unpacked, self._packed), self._newest)

    def __reversed__(self) -> Iterator[Execution]:
        return chain(reversed(self._newest), map(_unpacked, reversed(self._packed)))

    @overload
    def __getitem__(self, place: int) -> Execution: ...
    @overload
    def __getitem__(self, place: slice) -> list[Execution]: ...
    def __getitem__(self, place: int | slice) -> Execution | list[Execution]:
        if isinstance(place, slice):
            return list(self)[place]
        place = range(len(self))[place]
        packed = len(self._packed)
        return _unpacked(self._packed[place]) if place < packed else self._newest[place - packed]


def _pack(fill: Execution) -> bytes:
    return msgspec.msgpack.encode(tuple(getattr(fill, name) for name in Execution.__slots__))


def _unpacked(raw: bytes) -> Execution:
    values = msgspec.msgpack.decode(raw, type=_Packed)
    return Execution(**dict(zip(Execution.__slots__, values, strict=True)))
