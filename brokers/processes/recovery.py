"""Orders whose answer was lost, and those IBKR says it has no longer: looked for at the broker, or proven absent."""

from __future__ import annotations

from brokers.domain.brokerage import OrdersReply
from brokers.domain.sessions import Environment
from brokers.models import Connection
from brokers.orders import doubt, gone, reconciliation
from brokers.processes.wire import Wire

PROOF = doubt.Proof(reads=3, seconds=30.0)
# The simulator's reads are complete at once and it never forgets a reference, so absence is proven sooner.
SIMULATED_PROOF = doubt.Proof(reads=3, seconds=2.0, resend=True)
GONE = gone.Proof(reads=2, seconds=5.0)
GONE_SIMULATED = gone.Proof(reads=2, seconds=0.5)


async def resolve_unknown(wire: Wire, connection: Connection) -> float:
    """Look for orders whose answer was lost; returns the seconds until the next look."""
    doubtful = await wire.db(doubt.unknown_orders, wire.connection_pk)
    simulated = connection.environment == Environment.SIMULATED
    proof = SIMULATED_PROOF if simulated else PROOF
    for account_id in {order.account.account_id for order in doubtful}:
        reply = await bring_home(wire, connection, account_id)
        for order in doubtful:
            if reply.complete and order.account.account_id == account_id:
                await wire.db(doubt.note_absence, order, proof, wire.clock())
    return 1.0 if simulated else 6.0


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
    return 0.5 if simulated else 6.0


async def bring_home(wire: Wire, connection: Connection, account_id: str) -> OrdersReply:
    """Store what the broker shows of an account's orders and fills, and return the orders."""
    reply = await wire.broker.orders(account_id)
    fills = await wire.broker.executions(account_id)
    await wire.db(reconciliation.apply, connection, orders=reply.orders, executions=fills, now=wire.clock())
    return reply
