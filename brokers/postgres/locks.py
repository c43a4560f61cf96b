"""Every lock in the project, and their order.

All are Postgres advisory locks. Those of processes are held by a database session, never by a transaction: no row is
locked over HTTP, and a dead process frees its locks by disconnecting. They need a direct connection to Postgres (a
transaction pooler would hand the session to somebody else). STOP alone is held by a transaction, until it commits.
A holder of several takes them in the order of `Space`, and each of them before it locks a row.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from enum import IntEnum
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from psycopg.conninfo import conninfo_to_dict


class Space(IntEnum):
    """What a lock is about; the numbers are the first key of the advisory lock."""

    DECIDE = 7101  # shared by all drains; that of a release from before there were shards holds it alone
    WORK = 7102  # the lanes of one shard of teams
    STREAM = 7103  # the feeds and sessions of one shard of connections
    CONNECTION = 7104  # writes and sign-in of one IBKR user
    STOP = 7105  # one team's trading: shared by what is being decided, alone by who stops it
    STREAMS = 7106  # the number of shards that all stream processes share the connections by
    STREAM_HOME = 7107  # shared by the stream processes that are there for a shard
    MAIL = 7108  # who sends letters: one process at a time, so that a mail server that hangs holds up no other
    DRAINS = 7109  # the number of shards that all drains share the teams by
    DRAIN = 7110  # the one drain of a shard of teams
    TRADES = 7111  # who makes the trades of one account of its fills, until it commits


def direct_parameters() -> dict[str, Any]:
    """Connection parameters for a database session of our own, outside Django's pool and past a pooler.

    Whatever outlives a transaction needs one: LISTEN, locks of processes, SET, statements prepared by name. Any other
    connection may be one of a pooler's, which hands each transaction to another session.
    """
    if settings.DATABASE_DIRECT_URL:
        return {**conninfo_to_dict(settings.DATABASE_DIRECT_URL), "client_encoding": "UTF8", "autocommit": True}
    parameters = dict(connection.get_connection_params())
    for name in ("cursor_factory", "pool", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return {**parameters, "autocommit": True}


def share_until_commit(space: Space, keys: Iterable[int]) -> None:
    """Wait until nobody holds these locks alone, and keep everybody from it until our transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock_shared(%s, key) FROM unnest(%s::int[]) AS key",
            [int(space), sorted(set(keys))],
        )


def shared_first(space: Space, key: int) -> RawSQL:
    """The lock of `share_until_commit` as a condition of a query that locks rows: taken before it locks the first of them.

    Where no row is left to be locked it may not be taken. What the query reads is as it was before it waited for the lock,
    except for the rows that it locks: what the lock guards is read by the next statement.
    """
    # One word of a subquery that depends on no row is asked for once, before any.
    taken = "(SELECT pg_advisory_xact_lock_shared(%s::int, %s::int)::text) = ''"
    return RawSQL(taken, [int(space), key], output_field=BooleanField())  # noqa: S611  # written here


def alone_until_commit(space: Space, key: int) -> None:
    """Wait until nobody shares this lock, and keep everybody out until our transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [int(space), key])


def tried_until_commit(space: Space, key: int) -> bool:
    """Keep everybody out until our transaction ends; False, at once, where somebody else has the lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [int(space), key])
        row = cursor.fetchone()
    return bool(row and row[0])


def is_free(space: Space, key: int) -> bool:
    """Whether nobody holds a lock now: asked over the pool, so that who is not needed opens no session to find that out."""
    with connection.cursor() as cursor:
        # Taken until the statement is over; two who ask at once may both be told no, and are asked again by the next nudge.
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [int(space), key])
        row = cursor.fetchone()
    return bool(row and row[0])


@contextlib.contextmanager
def try_only_one(
    space: Space, key: int, *, ask: Callable[[], None] | None = None, within: float = 0.0
) -> Iterator[psycopg.Connection[Any] | None]:
    """Hold a lock for the length of the block; yields its own database session, or None when somebody else holds it.

    `ask` asks who holds it to let it go, and so many seconds are then waited for that. Whoever else tries meanwhile is told
    that it is held: PostgreSQL puts nobody who only tries before one who waits.
    """
    with psycopg.connect(**direct_parameters()) as session:
        row = session.execute("SELECT pg_try_advisory_lock(%s, %s)", [int(space), key]).fetchone()
        is_ours = bool(row and row[0])
        if not is_ours and ask is not None:
            ask()
            is_ours = _waited_for(session, space, key, within)
        # Closing the session is what releases the lock, also when this process dies.
        yield session if is_ours else None


def _waited_for(session: psycopg.Connection[Any], space: Space, key: int, seconds: float) -> bool:
    timeout = "SELECT set_config('lock_timeout', %s, false)"
    session.execute(timeout, [f"{seconds * 1000:.0f}ms"])
    try:
        session.execute("SELECT pg_advisory_lock(%s, %s)", [int(space), key])
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        session.execute(timeout, ["0"])
    return True


def share(session: psycopg.Connection[Any], space: Space, key: int) -> bool:
    """Share a lock until the session is closed; False while somebody holds it alone."""
    row = session.execute("SELECT pg_try_advisory_lock_shared(%s, %s)", [int(space), key]).fetchone()
    return bool(row and row[0])


def agree(session: psycopg.Connection[Any], space: Space, number: int) -> bool:
    """Share a number, from 1 on, with all who hold one of this space; False while anybody holds another one.

    `session` holds it until it is closed.
    """
    session.execute("SELECT pg_advisory_lock(%s, 0)", [int(space)])  # for a moment; nobody keeps it
    try:
        if session.execute(f"{_HELD} AND objid NOT IN (0, %s)", [int(space), number]).fetchone():
            return False
        session.execute("SELECT pg_advisory_lock_shared(%s, %s)", [int(space), number])
        return True
    finally:
        session.execute("SELECT pg_advisory_unlock(%s, 0)", [int(space)])


_HELD = """SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
# Keys are taken and freed in the order of the list.
_TAKE = "SELECT pg_try_advisory_lock(%s, key) FROM unnest(%s::int[]) AS key"
_FREE = "SELECT pg_advisory_unlock(%s, key) FROM unnest(%s::int[]) AS key"
_MOST = 500  # in one statement


class Locks:
    """Any number of locks held by one database session of an asyncio process."""

    def __init__(self, session: psycopg.AsyncConnection[Any]) -> None:
        self._session = session
        self._asked: deque[tuple[str, Space, int, asyncio.Future[bool]]] = deque()
        self._asking: asyncio.Task[None] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls) -> AsyncIterator[Locks]:
        """Open the session that holds the locks; closing it releases them all."""
        parameters = direct_parameters()
        async with await psycopg.AsyncConnection.connect(**parameters) as session:
            yield cls(session)

    async def take(self, space: Space, key: int) -> bool:
        """True when the lock is now ours, False when somebody else holds it."""
        return await self._ask(_TAKE, space, key)

    async def share(self, space: Space, key: int) -> bool:
        """True when the lock is now ours and of all others who share it, False when somebody holds it alone."""
        cursor = await self._session.execute("SELECT pg_try_advisory_lock_shared(%s, %s)", [int(space), key])
        row = await cursor.fetchone()
        return bool(row and row[0])

    async def held(self, space: Space) -> set[int]:
        """The keys of a space that anybody in this database holds."""
        cursor = await self._session.execute(_HELD, [int(space)])
        return {int(row[0]) for row in await cursor.fetchall()}

    async def free(self, space: Space, key: int) -> None:
        await self._ask(_FREE, space, key)

    async def _ask(self, statement: str, space: Space, key: int) -> bool:
        """Ask in one statement together with the tasks that ask the same meanwhile, in the order in which they asked."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._ask_soon(statement, space, key, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            if statement is _TAKE and answer.done() and not answer.cancelled() and answer.exception() is None:
                self._let_go(space, key, was_taken=answer.result())
            raise

    def _ask_soon(self, statement: str, space: Space, key: int, answer: asyncio.Future[bool]) -> None:
        self._asked.append((statement, space, key, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._work())

    def _let_go(self, space: Space, key: int, *, was_taken: bool) -> None:
        """Free what was taken for somebody who has gone meanwhile, and would never free it."""
        if was_taken:
            self._ask_soon(_FREE, space, key, asyncio.get_running_loop().create_future())

    async def _work(self) -> None:
        while self._asked:
            statement, space, key, answer = self._asked.popleft()
            asked = [(key, answer)]
            while self._asked and self._asked[0][:2] == (statement, space) and len(asked) < _MOST:
                asked.append(self._asked.popleft()[2:])
            await self._ask_for(statement, space, asked)

    async def _ask_for(self, statement: str, space: Space, asked: list[tuple[int, asyncio.Future[bool]]]) -> None:
        try:
            cursor = await self._session.execute(statement, [int(space), [key for key, _ in asked]])
            rows = await cursor.fetchall()
        except BaseException as error:
            for _, answer in asked:
                if not answer.done():
                    answer.cancel() if isinstance(error, asyncio.CancelledError) else answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (key, answer), (yes,) in zip(asked, rows, strict=True):
            if not answer.done():
                answer.set_result(bool(yes))
            elif statement is _TAKE:
                self._let_go(space, key, was_taken=bool(yes))

    @contextlib.asynccontextmanager
    async def only_one(self, space: Space, key: int) -> AsyncIterator[bool]:
        """Hold the lock for the length of the block; yields False (and holds nothing) when it is taken."""
        held = await self.take(space, key)
        try:
            yield held
        finally:
            if held:
                # A broken session has released everything already.
                with contextlib.suppress(psycopg.OperationalError):
                    await self.free(space, key)
