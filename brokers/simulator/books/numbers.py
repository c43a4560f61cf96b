"""Account numbers follow from usernames, so that one can be named before its user has ever signed in."""

from __future__ import annotations

import hashlib

NUMBERS = 10_000_000


def account_id(username: str, skip: int = 0) -> str:
    """The number of a username's first account; the gateway skips those that are taken."""
    number = int(hashlib.sha256(username.encode()).hexdigest(), 16)
    return f"SIM{(number + skip) % NUMBERS:07d}"
