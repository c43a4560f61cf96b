"""The password of a webhook URL: derived from its code and a server key, stored nowhere, always showable."""

from __future__ import annotations

import base64
import functools
import hmac
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def password_for(code: UUID) -> str:
    """The password under the newest server key: 256 bits, safe in a URL."""
    return _derive(_keys()[0], code)


def matches(code: UUID, candidate: str) -> bool:
    """Whether this is the password under any server key, in a time that tells nothing about it."""
    given = candidate.encode("utf-8", "replace")
    found = False
    for key in _keys():
        # Every key is tried even after a match: the time must not tell which key it was.
        found |= hmac.compare_digest(_derive(key, code).encode(), given)
    return found


def _keys() -> list[str]:
    keys: list[str] = settings.SERVER_KEYS
    if not keys:
        raise ImproperlyConfigured("HALYARD_SERVER_KEYS is empty. Set it to one or more secrets, newest first.")
    return keys


# Kept, since a busy webhook asks thousands of times a minute; the keys they come from are in memory too.
@functools.lru_cache(maxsize=10_000)
def _derive(key: str, code: UUID) -> str:
    digest = hmac.digest(key.encode(), b"webhook password " + code.bytes, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
