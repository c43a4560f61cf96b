"""The engine that `DATABASES` names. Django imports `DatabaseWrapper` from a module of this name.

A pool keeps connections of a server that has been restarted since, so they have to be looked at before they are used.
Django's own look is an empty statement, a trip to the server each time a thread takes a connection: several for each
order. A server that ends a connection says so on its socket, so that a look at the socket is enough. Only a connection
that nobody has asked for a while is asked: a network that died without a word leaves its socket silent.
"""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

# A silent connection is asked after this long without having been taken from the pool.
ASKED_AFTER_SECONDS = 5.0
_TAKEN_AT = "taken_at_by_halyard"


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL as Django speaks it; connections from the pool are alive."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection from the pool. Raises what the pool raises when it gets none that lives in time."""
        while True:
            connection = super().get_new_connection(conn_params)
            if not self.pool or is_alive(connection, time.monotonic()):
                return connection
            connection.close()
            # The pool makes another one in place of a connection that comes back closed.
            connection._pool.putconn(connection)


def is_alive(connection: psycopg.Connection[Any], now: float) -> bool:
    """Whether a connection may be used. `now`: seconds of the monotonic clock."""
    taken_at = getattr(connection, _TAKEN_AT, now)
    setattr(connection, _TAKEN_AT, now)
    if now - taken_at < ASKED_AFTER_SECONDS and not _has_word(connection):
        return True
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.OperationalError:
        return False
    return True


def _has_word(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server has said something that nobody asked for: most likely, that it ends the connection."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
