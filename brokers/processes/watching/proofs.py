"""Signs of life of the streams that decisions go by: asked for where they are seldom, and written for many at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from django.conf import settings
from django.db import connection
from django.utils import timezone

from brokers.book import quotes
from brokers.domain.session.feed import Feed
from brokers.postgres.threads import Threads

log = logging.getLogger(__name__)

# A socket whose other side does not read takes no question; nobody waits for it for longer.
ASK_SECONDS = 0.5
QUOTED_SECONDS = 4.0  # which quotes decisions need is looked up for all connections at once
# Rows that somebody else writes right now are written the next time.
_HEARD = """
WITH heard AS (
  SELECT c.id, v.at FROM unnest(%s::bigint[], %s::timestamptz[]) AS v (id, at) JOIN brokers_connection c ON c.id = v.id
  WHERE c.stream_since IS NOT NULL AND c.stream_since <= v.at AND c.stream_heard_at < v.at
  ORDER BY c.id FOR NO KEY UPDATE OF c SKIP LOCKED
)
UPDATE brokers_connection c SET stream_heard_at = heard.at FROM heard WHERE c.id = heard.id
"""


class Followed(Protocol):
    """A stream that is followed now. `heard_at`: as of when all that it said has been brought home."""

    feed: Feed
    heard_at: datetime | None
    # The numbers of its accounts.
    account_ids: tuple[str, ...]


class Proofs:
    """Asks the streams of accounts in use for a sign of life, and writes down which gave one."""

    def __init__(self, threads: Threads, followed: Callable[[], Mapping[int, Followed]]) -> None:
        self._threads, self._followed = threads, followed
        self._before: dict[int, Followed] = {}
        self._quoted: dict[int, set[int]] = {}
        self._looked_at = -QUOTED_SECONDS

    async def run(self) -> None:
        """Ask and write until canceled: often enough that one answer may be late."""
        while True:
            await asyncio.sleep(settings.STREAM_PROOF_SECONDS / 2.5)
            streams = dict(self._followed())
            await self._want(streams)
            await asyncio.gather(*(self._ask(each) for each in streams.values()))
            # What comes as the answer is written in the same round.
            await asyncio.sleep(min(0.2, settings.STREAM_PROOF_SECONDS / 20))
            heard = {key: each.heard_at for key, each in streams.items() if each.heard_at is not None}
            if not heard:
                continue
            try:
                await self._threads.run(write, heard)
            except Exception as problem:
                log.warning("Signs of life were not written: %s", str(problem).strip()[:200])

    async def _want(self, streams: dict[int, Followed]) -> None:
        """Want money of accounts in use and quotes that decisions needed lately, and nothing where nobody trades any more."""
        if time.monotonic() - self._looked_at >= QUOTED_SECONDS:
            self._looked_at = time.monotonic()
            with contextlib.suppress(Exception):
                self._quoted = await self._threads.run(quotes.watched, list(streams), timezone.now())
        for key, stream in streams.items():
            stream.feed.want(stream.account_ids, self._quoted.get(key, ()))
        over = [stream for key, stream in self._before.items() if streams.get(key) is not stream]
        self._before = streams
        for stream in over:
            stream.feed.want((), ())
        await asyncio.gather(*(self._ask(each) for each in over))

    async def _ask(self, stream: Followed) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(ASK_SECONDS):
                await stream.feed.ask_for_life()


def write(heard: Mapping[int, datetime]) -> None:
    """Write when each stream last gave a sign of life, with one statement."""
    pks = sorted(heard)
    with connection.cursor() as cursor:
        cursor.execute(_HEARD, [pks, [heard[pk] for pk in pks]])
