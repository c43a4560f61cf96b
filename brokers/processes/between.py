"""Between two orders of a lane: what comes before the next one, be it an order of the queue or a question of the lane's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection as database

from brokers.connections import nights
from brokers.models import Connection
from brokers.orders import cancels, execution
from brokers.orders.modifications.kinds import CHANGES
from brokers.orders.prompts import prompts
from brokers.orders.statements import BEFORE_ORDERS, HAS_NEXT, HAS_WAY_OUT
from brokers.processes.wire import Wire
from brokers.protection import foreign_cancels

# One short statement for what would be five, since every order of a queue asks.
_FOUND = f"""
SELECT
{BEFORE_ORDERS}
FROM brokers_connection c WHERE c.id = %s"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Next:
    """What leaves after an order: the next one, written down as leaving; or none, where `waits` says that something else
    comes first."""

    job: execution.Job | None = None
    waits: bool = False


def finish_and_take_next(
    job: execution.Job, answer: execution.Answer, connection_pk: int, now: datetime, clock: Callable[[], datetime]
) -> Next:
    """Write down an answer, which came at `now`, and what leaves next: two transactions of one statement each, and one turn
    of the database's threads.

    What is created after the answer is written wakes the lane by itself.
    """
    return take_next(connection_pk, clock) if execution.finish(job, answer, now) else Next()


def take_next(connection_pk: int, clock: Callable[[], datetime]) -> Next:
    """The next order of the connection, unless a cancel, a change or an answer to IBKR is to leave: an exit may wait for it.

    Nothing is next once the session is in doubt: somebody else may have signed in.
    """
    now = clock()
    found, job = execution.take_next_unless(connection_pk, now)
    if job is not None or found is None or not any(found):
        return Next(job)
    # What was found may be no reason to wait: a cancel that IBKR has been asked for already.
    return (
        Next(waits=True)
        if _something_waits(connection_pk, found, now)
        else Next(execution.take_next(connection_pk, now))
    )


def has_ways_out(connection_pk: int, now: datetime) -> bool:
    """Whether a way out of the connection could leave now, or a cancel that is still to be asked for: these rest for nobody.

    The stop and the target of an entry that has not left or not filled are no way out yet, and a cancel that IBKR has been
    asked for may rest there until its market opens.
    """
    return (
        _is_found(HAS_WAY_OUT, connection_pk, now)
        or cancels.next_cancel(connection_pk) is not None
        or foreign_cancels.next_one(connection_pk) is not None
    )


def writes_wait(connection_pk: int, now: datetime) -> bool:
    """Whether an order, a cancel, a change or an answer to IBKR could leave now, by what TAKE_NEXT lets leave.

    Also while the session is in doubt, which is looked at first.
    """
    found = _find(connection_pk)
    return found is not None and (
        _something_waits(connection_pk, found, now) or _is_found(HAS_NEXT, connection_pk, now)
    )


def _find(connection_pk: int) -> execution.Before | None:
    with database.cursor() as cursor:
        cursor.execute(_FOUND, [connection_pk])
        row = cursor.fetchone()
    return None if row is None else execution.Before(*row)


def _is_found(statement: str, connection_pk: int, now: datetime) -> bool:
    """What a statement says about orders of the connection that may leave."""
    closed, shut = nights.closed_regions(now)
    values: dict[str, Any] = {"connection": connection_pk, "now": now, "closed": closed, "shut": shut}
    with database.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.fetchone()[0])


async def gives_way(wire: Wire) -> bool:
    """Whether a row of questions breaks off here, since the lane was woken by something that may leave, or is to end.

    What was not asked stays wanted, and the lane looks again at once.
    """
    return wire.stopping.is_set() or (
        wire.wake.is_set() and await wire.db(writes_wait, wire.connection_pk, wire.clock())
    )


def _something_waits(pk: int, found: execution.Before, now: datetime) -> bool:
    """As a lane's look says of what comes before an order. Only what the statement has found at all is asked for in full."""
    return (
        (found.cancels and cancels.next_cancel(pk) is not None)
        or (found.foreign_cancels and foreign_cancels.next_one(pk) is not None)
        or (found.prompts and prompts.next_due(pk, now) is not None)
        or (found.changes and may_change(Connection.objects.get(pk=pk), now))
    )


def may_change(connection: Connection, now: datetime) -> bool:
    """Whether a change of an order at the broker may leave now: what is in doubt is looked up first.

    A change is an order as well: what IBKR gets in the second of its restart is lost.
    """
    found = (kind.next_change(connection.pk, now) for kind in CHANGES)
    return any(change is not None and not change.doubtful for change in found) and not nights.night_of(connection, now)
