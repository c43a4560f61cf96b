"""What the signature of an entry covers, and how it is made. What was signed once must be read for ever: never changed."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

# In front of what is signed, so that no signature of one kind passes for another.
ENTRY, CHAIN, ANCHOR = "entry 1", "chain 1", "anchor 1"


def sign(secret: bytes, kind: str, *content: Any) -> str:
    """The keyed digest (HMAC-SHA256) of these values, as hexadecimal digits."""
    text = json.dumps([kind, *map(plain, content)], sort_keys=True, ensure_ascii=True)
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two digests are the same, in the same time for all that are not."""
    return hmac.compare_digest(one.encode(), other.encode())


def entry_digest(
    secret: bytes,
    *,
    chain: UUID,
    number: int,
    actor_name: str,
    action: str,
    subject: str,
    before: Any,
    after: Any,
    at: datetime,
    address: str,
    origin: str,
    previous_hash: str,
) -> str:
    """The signature of an entry, over all that it says, its place in its chain, and the entry before it."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    place = (chain.hex, number, previous_hash)
    return sign(secret, ENTRY, *place, actor_name, action, subject, before, after, moment, address, origin)


def plain(value: Any) -> Any:
    """A value in the one form that survives a jsonb column: keys are text, numbers have neither exponent nor end zeros."""
    return _numbered(json.loads(json.dumps(value)))


def _numbered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _numbered(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_numbered(each) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{Decimal(repr(value)).normalize() + 0:f}"
    return value
