"""Keys that cannot work."""

from __future__ import annotations


class KeyRefused(ValueError):
    """A key, a prime or a secret that cannot sign in; the message is a sentence, `code` is stable."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code
