"""Notices between processes, by Postgres: processes that wait for rows to change are woken when the change commits."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

CONNECTIONS_CHANNEL = "halyard_connections"
ORDERS_CHANNEL = "halyard_orders"
SIGNALS_CHANNEL = "halyard_signals"
DECISIONS_CHANNEL = "halyard_decisions"
DECIDED_CHANNEL = "halyard_decided"
ASIDE = "aside:"  # a payload before a shard's number: the drain of it that has no lanes beside it ends
WORK = "work:"  # a payload before a connection's key: also where no decision waits there, there is something to decide
TURN = "turn"  # a payload that says that a turn beside the drain's others has ended, and nothing else
STOP = "stop:"  # a payload that asks the tasks of one worker (by its process id) to end soon


def keys(connection_pks: Iterable[int]) -> str:
    """The payload that names these connections; nothing when there are too many to name."""
    distinct = sorted(set(connection_pks))
    return ",".join(map(str, distinct)) if len(distinct) <= 500 else ""


def notify(channel: str, payload: str = "") -> None:
    """Wake the channel's listeners when the transaction commits. `payload`: connection keys, or nothing for "look"."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, payload])
