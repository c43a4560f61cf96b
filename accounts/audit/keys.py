"""The keys that entries are signed with.

They are random and stored under HALYARD_ENCRYPTION_KEYS, as every secret is: `rotate_keys` stores them again under the
newest of those, so that old entries stay verifiable when an old encryption key is dropped.
"""

from __future__ import annotations

import functools
import secrets

from django.conf import settings

from accounts.models import AuditKey
from accounts.vault.fields import Sealed
from accounts.vault.keys import VaultError

# The name in the sealed value: no other secret that is stored under the same keys passes for one of these.
NAME = "audit key"


def newest() -> tuple[AuditKey, bytes]:
    """The key to sign with. Where it cannot be read any more a new one is made: what people do must not wait for it."""
    key = AuditKey.objects.order_by("-pk").first()
    secret = secret_of(key) if key is not None else None
    return make() if key is None or secret is None else (key, secret)


def make() -> tuple[AuditKey, bytes]:
    """A new key, which signs from now on; older ones still verify what they have signed."""
    text = secrets.token_hex(32)
    return AuditKey.objects.create(secret=Sealed.of({NAME: text})), bytes.fromhex(text)


def secret_of(key: AuditKey) -> bytes | None:
    """The key itself; None when none of HALYARD_ENCRYPTION_KEYS opens it, or when it is no key of ours."""
    return _opened(key.secret.token, tuple(settings.ENCRYPTION_KEYS))


@functools.lru_cache(maxsize=64)
def _opened(token: bytes, encryption_keys: tuple[str, ...]) -> bytes | None:
    try:
        values = Sealed(token).open()
        return bytes.fromhex(values[NAME])
    except (VaultError, KeyError, ValueError, TypeError):
        return None
