"""The next order of each of many connections, written down in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db import connection, transaction

from brokers.connections import nights
from brokers.models import Order
from brokers.orders.execution import Job, job_of
from brokers.orders.statements import ROUNDS, TAKE_OF_EACH
from brokers.postgres.objects import objects_of

# What locks an order or its legs for longer than this holds up nobody else's.
LOCK_MS = 100


def take_of_each(connection_pks: Sequence[int], now: datetime) -> dict[int, Job]:
    """The next submission of each of these connections that has one, as `execution.take_next` takes it: all of them are
    written down, or none. Only under the lock of each connection.

    Raises what the database raises where one of them cannot be written, and ValueError where one cannot be said to IBKR;
    each is then to be taken by itself.
    """
    closed, shut = nights.closed_regions(now)
    values: dict[str, Any] = {"connections": list(connection_pks), "now": now}
    values |= {"left": [",".join(ROUNDS[pk].left()) for pk in connection_pks], "closed": closed, "shut": shut}
    with transaction.atomic():
        do_not_wait_long()
        rows: list[Any] = sorted(objects_of(Order, TAKE_OF_EACH, values), key=lambda row: (row.connection_id, row.pk))
        # Before it is written down: one that cannot be said to IBKR leaves none of the others as sent.
        jobs = {pk: job_of(tuple(orders)) for pk, orders in groupby(rows, lambda row: row.connection_id)}
    for pk, job in jobs.items():
        ROUNDS[pk].leave(job.orders[0].account_id, job.orders[0].conid)
    return jobs


def do_not_wait_long() -> None:
    """Let a statement of this transaction fail rather than wait for a lock for long."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [str(LOCK_MS)])
