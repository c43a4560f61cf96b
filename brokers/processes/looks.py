"""Looks at IBKR itself that decisions wait for: money and positions of accounts whose stream gives no sign of life, and
their orders and fills, where a backup may have been put in the place of a newer database."""

from __future__ import annotations

import contextlib

from brokers.book import looks
from brokers.domain.brokerage import MOST_DAYS, BrokerUnavailable, OrderRefused
from brokers.models import Connection
from brokers.postgres import incarnation
from brokers.processes import recovery
from brokers.processes.between import gives_way
from brokers.processes.wire import Wire

BETWEEN_ACCOUNTS_SECONDS = 0.05


async def answer(wire: Wire) -> bool:
    """Read money and positions of the accounts that decisions wait for, one after the other.

    False where it broke off for something that is to leave. One is always read.
    """
    unread = {account.pk for account in await wire.db(looks.wanted_unread, wire.connection_pk)}
    wanted = await wire.db(looks.wanted_of, wire.connection_pk)
    # Those that stay wanted until their orders are home come last, so that each of the others has its turn.
    for number, account in enumerate(sorted(wanted, key=lambda account: account.pk in unread)):
        if number and await gives_way(wire):
            return False
        try:
            await recovery.read_held(wire, account)
        finally:
            if account.pk not in unread:
                await wire.db(looks.answered, account)
    return True


async def bring_orders_home(wire: Wire, connection: Connection) -> float:
    """Bring home all orders and fills of one account that entries wait for; returns as `recovery.resolve_unknown` does.

    IBKR's lists make one wait for their turn: never under the connection's lock, and between two accounts the lane sends
    what is to leave. Where one's list stays incomplete, the others have their turn.
    """
    wanted = await wire.db(looks.wanted_unread, wire.connection_pk)
    if not wanted:
        return 0
    account = wanted[int(wire.clock().timestamp()) % len(wanted)]
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
    if len(wanted) > 1:
        return BETWEEN_ACCOUNTS_SECONDS
    return 0 if is_complete else recovery.between_looks(connection)
