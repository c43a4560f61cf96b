"""The keys that secrets are stored under, newest first: what is sealed with one of them, they all open."""

from __future__ import annotations

import functools

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class VaultError(Exception):
    """A stored secret cannot be read; the message is a sentence for the operator."""


UNREADABLE = (
    "A stored secret cannot be read with the keys in HALYARD_ENCRYPTION_KEYS. Put back the key it was stored under, "
    "behind the newest."
)


def seal(plain: bytes) -> bytes:
    """Encrypt under the newest key."""
    return _all(_keys()).encrypt(plain)


def unseal(token: bytes) -> bytes:
    """Decrypt with whichever key fits; VaultError when none does."""
    try:
        return _all(_keys()).decrypt(token)
    except InvalidToken as error:
        raise VaultError(UNREADABLE) from error


def is_newest(token: bytes) -> bool:
    """Whether this was stored under the newest key."""
    try:
        _one(_keys()[0]).decrypt(token)
    except InvalidToken:
        return False
    return True


def _keys() -> tuple[str, ...]:
    return tuple(settings.ENCRYPTION_KEYS)


@functools.lru_cache(maxsize=8)
def _all(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([_one(key) for key in keys])


@functools.lru_cache(maxsize=32)
def _one(key: str) -> Fernet:
    return Fernet(key)
