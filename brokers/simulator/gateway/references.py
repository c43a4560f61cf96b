"""Which order references a user has registered, and when: a day of them, in sixteen bytes each."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left

HOUR_S = 3600.0


class References:
    """When each reference was registered, in epoch seconds.

    Kept is a part of each one's digest. That two of a million have the same one, so that the second is refused, is as
    likely as one in forty million.
    """

    def __init__(self) -> None:
        # By hour: the digests in their order, and beside each when it was registered.
        self._hours: dict[int, tuple[array[int], array[float]]] = {}

    def __len__(self) -> int:
        return sum(len(digests) for digests, _ in self._hours.values())

    def get(self, reference: str) -> float | None:
        """When it was registered last; None if it was not."""
        digest = _digest(reference)
        moments = []
        for digests, registered in self._hours.values():
            place = bisect_left(digests, digest)
            if place < len(digests) and digests[place] == digest:
                moments.append(registered[place])
        return max(moments, default=None)

    def register(self, reference: str, at: float) -> None:
        digest = _digest(reference)
        digests, registered = self._hours.setdefault(int(at // HOUR_S), (array("Q"), array("d")))
        place = bisect_left(digests, digest)
        if place < len(digests) and digests[place] == digest:
            registered[place] = max(registered[place], at)
        else:
            digests.insert(place, digest)
            registered.insert(place, at)

    def forget(self, before: float) -> None:
        """Let those that were registered before this moment be used again."""
        hour = int(before // HOUR_S)
        for past in [each for each in self._hours if each < hour]:
            del self._hours[past]
        if hour in self._hours:
            kept = [pair for pair in zip(*self._hours.pop(hour), strict=True) if pair[1] >= before]
            if kept:
                self._hours[hour] = (array("Q", (each[0] for each in kept)), array("d", (each[1] for each in kept)))

    def clear(self) -> None:
        self._hours.clear()


def _digest(reference: str) -> int:
    return int.from_bytes(hashlib.blake2b(reference.encode(), digest_size=8).digest())
