"""Keys that cannot work."""

from __future__ import annotations

from accounts.refusals import Refusal


class KeyRefused(Refusal):
    """A key, a prime or a secret cannot sign in."""
