"""Orders whose answer was lost, and those IBKR says it has no longer: looked for at the broker, or proven absent."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from brokers.domain.brokerage import USUAL_DAYS, OrdersReply
from brokers.domain.doubts.evidence import Source
from brokers.domain.sessions import Environment
from brokers.models import Connection, Order
from brokers.orders import cancels, conversions, doubt, gone, resizes, undecided
from brokers.orders.changes import ChangeKind
from brokers.processes.wire import Wire
from brokers.protection import home

CHANGES: tuple[ChangeKind, ...] = (resizes, conversions)
# As long as it takes to prove that an order never arrived: an exit behind it may leave when it counts as over.
GONE = gone.Proof(reads=3, seconds=30.0)
GONE_SIMULATED = gone.Proof(reads=2, seconds=0.5)


async def resolve_unknown(wire: Wire, connection: Connection) -> float:
    """Look for orders whose answer was lost, and for those that a person named; returns the seconds until the next look."""
    doubtful = await wire.db(doubt.unknown_orders, wire.connection_pk)
    named = await wire.db(undecided.to_adopt, wire.connection_pk)
    accounts = {order.account.account_id for order in doubtful} | {each.order.account.account_id for each in named}
    for account_id in sorted(accounts):
        reply, fills = await _look(wire, connection, account_id)
        for order in doubtful:
            if order.account.account_id == account_id:
                await _note(wire, order, reply, fills)
        for each in named:
            if each.order.account.account_id == account_id and reply.complete:
                await wire.db(undecided.adopt, connection, each, reply.orders, wire.clock())
    await wire.db(home.look_after, [*doubtful, *(each.order for each in named)], wire.clock())
    return between_looks(connection)


async def _note(wire: Wire, order: Order, reply: OrdersReply, fills: int) -> None:
    """Count what a look at both lists says of an order. The list of orders counts where it was complete."""
    sources = [Source.TRADES, *([Source.ORDERS] if reply.complete else [])]
    await wire.db(doubt.note_looks, order, sources, len(reply.orders) + fills, wire.clock())


async def settle_gone(wire: Wire, connection: Connection) -> float:
    """Look up the orders that IBKR did not cancel since it has none such; returns the seconds until the next look."""
    missing = await wire.db(gone.of_connection, wire.connection_pk)
    simulated = connection.environment == Environment.SIMULATED
    proof = GONE_SIMULATED if simulated else GONE
    for account_id in {order.account.account_id for order in missing}:
        reply = await bring_home(wire, connection, account_id)
        for order in missing:
            if reply.complete and order.account.account_id == account_id:
                await wire.db(gone.settle, connection, order, reply.orders, proof, wire.clock())
    await wire.db(home.look_after, missing, wire.clock())
    return between_looks(connection)


async def settle_lost_cancels(wire: Wire, connection: Connection) -> float:
    """Look up the cancels whose answers were lost; returns the seconds until the next look.

    Never under the connection's lock: while the list waits for its turn, a session that is gone could not be opened again.
    """
    lost = await wire.db(cancels.lost, wire.connection_pk)
    for account_id in {order.account.account_id for order in lost}:
        reply = await bring_home(wire, connection, account_id)
        for order in lost:
            if reply.complete and order.account.account_id == account_id:
                await wire.db(cancels.settle_lost, order, reply.orders, wire.clock())
                # Its next request may leave, or what waited for it.
                wire.wake.set()
    return between_looks(connection)


async def settle_lost_changes(wire: Wire, connection: Connection) -> float:
    """Look up the changes whose answers were lost: the order, and a second one beside it. Returns the seconds until the
    next look; 0: nothing is in doubt.

    Like `settle_lost_cancels`, never under the connection's lock.
    """
    waits = False
    for kind in CHANGES:
        change = await wire.db(kind.next_change, wire.connection_pk, wire.clock())
        if change is None or not change.doubtful:
            continue
        asked_at = wire.clock()
        reply = await bring_home(wire, connection, change.order.account.account_id)
        early = not reply.complete or await wire.db(kind.is_early, change.order, asked_at)
        if await wire.db(partial(kind.settle_lost, early=early), change.order, reply.orders, wire.clock()):
            # The next change may leave, or what waited for this one.
            wire.wake.set()
        else:
            waits = True
    if not waits:
        return 0
    return between_looks(connection)


async def read_again(wire: Wire, connection: Connection, account_ids: Collection[str]) -> None:
    """Read the orders of accounts in which IBKR has refused something."""
    for account_id in sorted(account_ids) if wire.broker.pause() is None else ():
        await bring_home(wire, connection, account_id)


def between_looks(connection: Connection) -> float:
    """Seconds between two looks at IBKR's lists."""
    return 0.5 if connection.environment == Environment.SIMULATED else 6.0


async def bring_home(wire: Wire, connection: Connection, account_id: str, *, days: int = USUAL_DAYS) -> OrdersReply:
    """Store what the broker shows of an account's orders and of its fills of `days`, and return the orders."""
    return (await _look(wire, connection, account_id, days=days))[0]


async def _look(
    wire: Wire, connection: Connection, account_id: str, *, days: int = USUAL_DAYS
) -> tuple[OrdersReply, int]:
    """As `bring_home`, with the number of executions that the broker shows."""
    asked_at = wire.clock()
    reply = await wire.broker.orders(account_id)
    fills = await wire.broker.executions(account_id, days=days)
    await wire.db(home.bring, connection, orders=reply.orders, executions=fills, now=wire.clock())
    if reply.complete:
        await wire.db(home.note_list, connection, account_id, reply.orders, asked_at)
    return reply, len(fills)
