"""A shelf in memory, for one process alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from brokers.domain.tokens import LiveToken, MakeToken


class MemoryShelf:
    """Implements `domain.tokens.TokenShelf` within one event loop."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._making = asyncio.Lock()
        self._token: LiveToken | None = None

    async def token(self, *, make: MakeToken, refused: LiveToken | None = None) -> LiveToken:
        async with self._making:
            token = self._token
            if token is None or token == refused or token.is_due(self._now()):
                self._token = token = await make()
            return token
