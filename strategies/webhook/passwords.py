"""The password of a webhook URL, derived from its code and a server key: stored nowhere, and shown at any time."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

PASSWORD, SIGNING = b"webhook password ", b"webhook signing "


def password_for(code: UUID) -> str:
    """The password under the newest server key: 256 bits, safe in a URL."""
    return _derive(_keys()[0], PASSWORD, code)


def matching_key(code: UUID, candidate: str) -> int | None:
    """The index of the server key that this password was derived from (0: the newest); None when it is wrong.

    The time it takes reveals nothing about the password or the key.
    """
    return matching((_derive(key, PASSWORD, code) for key in _keys()), candidate)


def signing_keys(code: UUID) -> list[str]:
    """The keys that messages to this webhook may be signed with, the newest server key's first."""
    return [_derive(key, SIGNING, code) for key in _keys()]


def status_code_for(signal: UUID) -> str:
    """The secret part of a signal's status address."""
    return _status_code(_keys()[0], signal)


def status_matches(signal: UUID, candidate: str) -> bool:
    """Whether this is the secret part of the signal's status address."""
    return matching((_status_code(key, signal) for key in _keys()), candidate) is not None


def _status_code(key: str, signal: UUID) -> str:
    # Keyed BLAKE2: every answer needs one, and HMAC takes four times as long.
    code = hashlib.blake2b(signal.bytes, key=_status_key(key), digest_size=24).digest()
    return base64.urlsafe_b64encode(code).decode()


@functools.lru_cache(maxsize=16)
def _status_key(key: str) -> bytes:
    return hmac.digest(key.encode(), b"signal status", "sha256")


def matching(secrets: Iterable[str], candidate: str) -> int | None:
    """The index of the secret that the candidate equals; None when it equals none."""
    encoded = candidate.encode("utf-8", "replace")
    match = None
    for number, secret in enumerate(secrets):
        # All of them are compared even after a match: the time must not reveal which it was.
        if hmac.compare_digest(secret.encode(), encoded) and match is None:
            match = number
    return match


def _keys() -> list[str]:
    keys: list[str] = settings.SERVER_KEYS
    if not keys:
        raise ImproperlyConfigured("HALYARD_SERVER_KEYS is empty. Set it to one or more secrets, newest first.")
    return keys


# Cached, since a busy webhook asks thousands of times a minute; the server keys are in memory too.
@functools.lru_cache(maxsize=10_000)
def _derive(key: str, purpose: bytes, code: UUID) -> str:
    digest = hmac.digest(key.encode(), purpose + code.bytes, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
