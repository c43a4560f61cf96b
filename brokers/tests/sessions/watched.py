"""A connection that is watched while its session meets trouble, and what is shown of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from brokers.models import Connection, SessionEvent
from brokers.tests import lab
from brokers.tests.pauses import pauses


def shown(connection: Connection) -> tuple[str, str]:
    """The state that every page shows now: its word and its code."""
    row = Connection.objects.values_list("session_status", "session_code").get(pk=connection.pk)
    return str(row[0]), str(row[1])


def events(connection: Connection) -> list[tuple[str, str]]:
    """The story of the session, oldest first."""
    return list(SessionEvent.objects.filter(connection=connection).order_by("id").values_list("status", "code"))


async def until_shown(connection: Connection, status: str, code: str = "", within: float = lab.DEADLINE) -> None:
    """Wait until the state is shown; fail with what is shown instead."""
    give_up, pause = asyncio.get_running_loop().time() + within, pauses()
    while True:
        now = await asyncio.to_thread(lab.asked, lambda: shown(connection))
        if now[0] == status and code in {"", now[1]}:
            return
        assert asyncio.get_running_loop().time() < give_up, f"still {now} instead of {(status, code)}"
        await asyncio.sleep(next(pause))


async def stays_shown(connection: Connection, status: str, code: str = "", seconds: float = 1.5) -> None:
    """The state is shown all the while."""
    give_up = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < give_up:
        now = await asyncio.to_thread(lab.asked, lambda: shown(connection))
        assert now == (status, code or now[1])
        await asyncio.sleep(0.05)


def watched(connection: Connection, story: Callable[[], Awaitable[Any]]) -> None:
    """Let the story happen while the stream process watches, from the moment the session is open."""

    async def main() -> None:
        async with lab.watching():
            await until_shown(connection, "active")
            await lab.until(lambda: connection.accounts.filter(book_as_of__isnull=False).exists(), "the book is read")
            await story()

    asyncio.run(main())
