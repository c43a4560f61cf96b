"""What is refused to a person: a sentence that says what happened and what to do next, and a stable code."""

from __future__ import annotations


class Refusal(ValueError):
    """What was asked for is not done; the message is a sentence, and `code` never changes."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code
