"""The next order of each of many connections, written down in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db import connection, transaction

from brokers.connections import nights
from brokers.models import Order
from brokers.orders.execution import Job, described, hashed, legs_of
from brokers.orders.statements import ROUNDS, TAKE_OF_EACH, WAYS_OUT

# What locks an order or its legs for longer than this holds up nobody else's.
LOCK_MS = 100
_ATTEMPTS = """
INSERT INTO brokers_submissionattempt (order_id, kind, request, request_hash, sent_at, outcome)
SELECT each.order_id, 'post', each.request::jsonb, each.hash, %s, ''
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS each (order_id, request, hash)
RETURNING order_id, id
"""


def take_of_each(connection_pks: Sequence[int], now: datetime) -> dict[int, Job]:
    """The next submission of each of these connections that has one, as `execution.take_next` takes it: all of them are
    written down, or none. Only under the lock of each connection.

    Raises what the database raises where one of them cannot be written; each is then to be taken by itself.
    """
    closed, shut = nights.closed_regions(now)
    values: dict[str, Any] = {"connections": list(connection_pks), "now": now, "ways_out": WAYS_OUT}
    values |= {"left": [",".join(ROUNDS[pk].left()) for pk in connection_pks], "closed": closed, "shut": shut}
    with transaction.atomic():
        do_not_wait_long()
        rows: list[Any] = sorted(Order.objects.raw(TAKE_OF_EACH, values), key=lambda row: (row.connection_id, row.pk))
        leaving = {pk: tuple(orders) for pk, orders in groupby(rows, lambda row: row.connection_id)}
        legs = {pk: legs_of(orders) for pk, orders in leaving.items()}
        attempts = _write_attempts(
            {orders[0].pk: [described(leg) for leg in legs[pk]] for pk, orders in leaving.items()}, now
        )
    for pk, orders in leaving.items():
        ROUNDS[pk].leave(orders[0].account_id, orders[0].conid)
    return {
        pk: Job(account_id=orders[0].account_number, orders=orders, legs=legs[pk], attempt_pk=attempts[orders[0].pk])
        for pk, orders in leaving.items()
    }


def do_not_wait_long() -> None:
    """Let a statement of this transaction fail rather than wait for a lock for long."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [str(LOCK_MS)])


def _write_attempts(requests: dict[int, list[dict[str, Any]]], now: datetime) -> dict[int, int]:
    """The attempt of each request, by the order that it is about."""
    if not requests:
        return {}
    texts = [json.dumps(request) for request in requests.values()]
    hashes = [hashed(request) for request in requests.values()]
    with connection.cursor() as cursor:
        cursor.execute(_ATTEMPTS, [now, list(requests), texts, hashes])
        return dict(cursor.fetchall())
