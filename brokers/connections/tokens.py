"""Live session tokens, one for all processes of a connection: kept sealed. The process that claims one first asks IBKR for it.

The claim is a moment in the row and no lock that is held: nobody waits in a transaction for IBKR.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Self

from django.db import transaction
from django.utils import timezone

from accounts.vault.fields import Sealed
from brokers.domain.sessions import Login
from brokers.domain.tokens import LiveToken, MakeToken
from brokers.models import LiveSessionToken
from brokers.postgres.threads import Threads

# Longer than a request to IBKR may take; who claimed it and died costs the others this long.
CLAIM = timedelta(seconds=30)
LOOK_AGAIN = 0.1
VALUE = "value"


class Shelves:
    """The shelves of a process, each of one connection."""

    def __init__(self, now: Callable[[], datetime] = timezone.now) -> None:
        self._threads, self._now = Threads(2), now

    def of(self, login: Login) -> PostgresShelf | None:
        """The shelf of a login that signs; None of one that does not."""
        if not login.auth_method.signs or not login.connection:
            return None
        return PostgresShelf(login.connection, self._threads, self._now)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.close()


def has_signed(connection_pk: int) -> bool:
    """Whether IBKR ever gave out a token for the keys that this connection has now."""
    return LiveSessionToken.objects.filter(connection_id=connection_pk, made_at__isnull=False).exists()


def forget(connection_pk: int) -> None:
    """Forget the token of a connection whose keys are replaced or removed."""
    LiveSessionToken.objects.filter(connection_id=connection_pk).delete()


class PostgresShelf:
    """Implements `domain.tokens.TokenShelf` for every process that sees the same database."""

    def __init__(self, connection_pk: int, threads: Threads, now: Callable[[], datetime]) -> None:
        self._pk, self._threads, self._now = connection_pk, threads, now

    async def token(self, *, make: MakeToken, refused: LiveToken | None = None) -> LiveToken:
        while True:
            kept, mine = await self._threads.run(_kept_or_claimed, self._pk, refused, self._now())
            if kept is not None:
                return kept
            if mine:
                break
            await asyncio.sleep(LOOK_AGAIN)
        try:
            token = await make()
        except BaseException:
            await asyncio.shield(self._threads.run(_release, self._pk))
            raise
        await self._threads.run(_keep, self._pk, token)
        return token


@transaction.atomic
def _kept_or_claimed(connection_pk: int, refused: LiveToken | None, now: datetime) -> tuple[LiveToken | None, bool]:
    """The token to sign with; or none, and whether the caller is the one to ask for it."""
    LiveSessionToken.objects.get_or_create(connection_id=connection_pk)
    row = LiveSessionToken.objects.select_for_update().get(connection_id=connection_pk)
    token = _of(row)
    if token == refused:
        token = None
    if token is not None and not token.is_due(now):
        return token, False
    # Who claimed it may have looked at the clock a moment after us, and got the row before us.
    if row.claimed_until is not None and now < row.claimed_until <= now + 2 * CLAIM:
        return (token if token is not None and token.in_force(now) else None), False
    row.claimed_until = now + CLAIM
    row.save(update_fields=["claimed_until"])
    return None, True


def _of(row: LiveSessionToken) -> LiveToken | None:
    if not row.token or row.made_at is None or row.expires_at is None:
        return None
    return LiveToken(value=base64.b64decode(row.token.open()[VALUE]), made_at=row.made_at, expires_at=row.expires_at)


def _keep(connection_pk: int, token: LiveToken) -> None:
    LiveSessionToken.objects.filter(connection_id=connection_pk).update(
        token=Sealed.of({VALUE: base64.b64encode(token.value).decode()}),
        made_at=token.made_at,
        expires_at=token.expires_at,
        claimed_until=None,
    )


def _release(connection_pk: int) -> None:
    LiveSessionToken.objects.filter(connection_id=connection_pk).update(claimed_until=None)
