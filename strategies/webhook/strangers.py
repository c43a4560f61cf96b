"""Addresses that knock with passwords that fit no webhook: after some tries the database is asked no more."""

from __future__ import annotations

from accounts.entrance.addresses import bucket

MOST_A_MINUTE = 60
MOST_REMEMBERED = 10_000


class Strangers:
    """Counts, for the present minute and in this process, the wrong knocks of each address.

    Only wrong ones are counted and refused: senders of many people share an address, and a right password is always
    taken.
    """

    def __init__(self) -> None:
        self._minute = 0
        self._knocks: dict[str, int] = {}

    def is_over(self, address: str | None, seconds: float) -> bool:
        """Count a wrong knock; True when this address has used up its minute."""
        minute = int(seconds // 60)
        if minute != self._minute or len(self._knocks) >= MOST_REMEMBERED:
            self._minute = minute
            self._knocks.clear()
        key = bucket(address)
        self._knocks[key] = self._knocks.get(key, 0) + 1
        return self._knocks[key] > MOST_A_MINUTE
