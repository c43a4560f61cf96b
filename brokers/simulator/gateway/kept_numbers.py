"""Options that keep the number they had before a split: inside they have one of their own, on the wire that of before."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?<![0-9.])[0-9]{10}(?![0-9.])")


class KeptNumbers:
    """Numbers of now by those of before. A number of an option has ten digits and is like no other on the wire."""

    def __init__(self) -> None:
        self._now: dict[str, str] = {}
        self._before: dict[str, str] = {}

    def keep(self, before: int, now: int) -> None:
        """Show the contract `now` under the number that the one it was made of had; that of a split before is kept on."""
        shown = self._before.get(str(before), str(before))
        self._now[shown], self._before[str(now)] = str(now), shown

    def inward(self, text: str) -> str:
        """What a client sent, with the numbers of now."""
        return _NUMBER.sub(lambda found: self._now.get(found[0], found[0]), text) if self._now else text

    def outward(self, text: str) -> str:
        """What leaves, with the numbers that were kept."""
        return _NUMBER.sub(lambda found: self._before.get(found[0], found[0]), text) if self._before else text
