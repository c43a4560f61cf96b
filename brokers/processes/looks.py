"""Looks at IBKR itself that decisions wait for: money and positions of accounts whose stream gives no sign of life, and
their orders and fills, where a backup may have been put in the place of a newer database."""

from __future__ import annotations

import contextlib

from brokers.book import looks
from brokers.domain.brokerage import MOST_DAYS, BrokerUnavailable, OrderRefused
from brokers.models import Connection
from brokers.postgres import incarnation
from brokers.processes import recovery, what_is_held
from brokers.processes.wire import Wire


async def answer(wire: Wire) -> None:
    """Read money and positions of the accounts that decisions wait for."""
    unread = {account.pk for account in await wire.db(looks.wanted_unread, wire.connection_pk)}
    for account in await wire.db(looks.wanted_of, wire.connection_pk):
        try:
            await what_is_held.read(wire, account)
        finally:
            if account.pk not in unread:
                await wire.db(looks.answered, account)


async def bring_orders_home(wire: Wire, connection: Connection) -> float:
    """Bring all orders and fills home that entries wait for; returns the seconds until the next look, 0: there is none.

    IBKR's lists make one wait for their turn: never under the connection's lock.
    """
    waits = 0.0
    for account in await wire.db(looks.wanted_unread, wire.connection_pk):
        is_complete = True
        try:
            database = await wire.db(incarnation.name)
            with contextlib.suppress(BrokerUnavailable, OrderRefused):
                reply = await recovery.bring_home(wire, connection, account.account_id, days=MOST_DAYS)
                is_complete = reply.complete
                if is_complete:
                    await wire.db(looks.brought_home, account, database)
        finally:
            if is_complete:
                # Also where IBKR does not answer: the decisions that wait ask again.
                await wire.db(looks.answered, account)
            else:
                waits = recovery.between_looks(connection)
    return waits
