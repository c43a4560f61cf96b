"""Orders whose answer was lost, and those IBKR says it has no longer: looked for at the broker, or proven absent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import TypeVar

from brokers.book import holdings
from brokers.connections import sessions
from brokers.domain.brokerage import (
    USUAL_DAYS,
    BrokerUnavailable,
    ExecutionFacts,
    OrderRefused,
    OrdersReply,
    Paused,
)
from brokers.domain.doubts.evidence import Source
from brokers.domain.sessions import Environment
from brokers.models import BrokerageAccount, Connection, Order
from brokers.orders import cancels, doubt, gone, undecided
from brokers.orders.modifications.kinds import CHANGES
from brokers.processes.wire import Wire
from brokers.protection import home

log = logging.getLogger(__name__)

T = TypeVar("T")

NO_LIST = OrdersReply(orders=[], complete=False)
# As long as it takes to prove that an order never arrived: an exit behind it may leave when it counts as over.
GONE = gone.Proof(reads=3, seconds=30.0)
GONE_SIMULATED = gone.Proof(reads=2, seconds=0.5)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look showed: IBKR's list of orders, and of executions. `counts`: whether it says anything of orders that it
    does not show."""

    reply: OrdersReply
    fills: Sequence[ExecutionFacts]
    counts: bool = True


async def resolve_unknown(wire: Wire, connection: Connection) -> float:
    """Look for orders whose answer was lost, and for those that a person named; returns the seconds until the next look."""
    doubtful = await wire.db(doubt.unknown_orders, wire.connection_pk)
    named = await wire.db(undecided.to_adopt, wire.connection_pk)
    unknown = {order.pk for order in doubtful}
    for orders in _by_account([*doubtful, *(each.order for each in named)]):
        seen = await _look_for(wire, connection, orders)
        for order in orders:
            if order.pk in unknown:
                await _note(wire, order, seen)
        for each in named:
            if each.order.account_id == orders[0].account_id and seen.reply.complete:
                await wire.db(undecided.adopt, connection, each, seen.reply.orders, wire.clock())
    await wire.db(home.look_after, [*doubtful, *(each.order for each in named)], wire.clock())
    return between_looks(connection)


async def _note(wire: Wire, order: Order, seen: _Seen) -> None:
    """Count what a look at both lists says of an order. The list of orders counts where it was complete."""
    sources = [Source.TRADES, *([Source.ORDERS] if seen.reply.complete else [])] if seen.counts else []
    listed = len(seen.reply.orders)
    note = partial(doubt.note_looks, is_empty=not listed)
    await wire.db(note, order, sources, listed + len(seen.fills), wire.clock())


async def settle_gone(wire: Wire, connection: Connection) -> float:
    """Look up the orders that IBKR did not cancel since it has none such; returns the seconds until the next look."""
    missing = await wire.db(gone.of_connection, wire.connection_pk)
    simulated = connection.environment == Environment.SIMULATED
    proof = GONE_SIMULATED if simulated else GONE
    for orders in _by_account(missing):
        seen = await _look_for(wire, connection, orders)
        for order in orders if seen.reply.complete and seen.counts else ():
            await wire.db(gone.settle, connection, order, seen.reply.orders, proof, wire.clock())
    await wire.db(home.look_after, missing, wire.clock())
    return between_looks(connection)


async def settle_lost_cancels(wire: Wire, connection: Connection) -> float:
    """Look up the cancels whose answers were lost; returns the seconds until the next look.

    Like all of this never under the connection's lock: while the list waits for its turn, a session that is gone could not
    be opened again.
    """
    lost = await wire.db(cancels.lost, wire.connection_pk)
    for account_id in {order.account.account_id for order in lost}:
        reply = (await _look(wire, connection, account_id)).reply
        for order in lost:
            if reply.complete and order.account.account_id == account_id:
                await wire.db(cancels.settle_lost, order, reply.orders, wire.clock())
                # Its next request may leave, or what waited for it.
                wire.wake.set()
    return between_looks(connection)


async def settle_lost_changes(wire: Wire, connection: Connection) -> float:
    """Look up the changes whose answers were lost: the order, and a second one beside it. Returns the seconds until the
    next look; 0: nothing is in doubt.
    """
    lost = [
        (kind, order) for kind in CHANGES for order in await wire.db(kind.doubtful, wire.connection_pk, wire.clock())
    ]
    waits = False
    for account_id in sorted({order.account.account_id for _, order in lost}):
        asked_at = wire.clock()
        reply = (await _look(wire, connection, account_id)).reply
        for kind, order in lost:
            if order.account.account_id != account_id:
                continue
            early = not reply.complete or await wire.db(kind.is_early, order, asked_at)
            if await wire.db(partial(kind.settle_lost, early=early), order, reply.orders, wire.clock()):
                # The next change may leave, or what waited for this one.
                wire.wake.set()
            else:
                waits = True
    return between_looks(connection) if waits else 0


async def read_held(wire: Wire, account: BrokerageAccount) -> bool:
    """Read an account's positions and money: for a decision that waits, or since an order that is looked for may show there.

    False where IBKR did not answer.
    """
    as_of = wire.clock()
    try:
        positions, summary = await asyncio.gather(
            wire.broker.positions(account.account_id), wire.broker.summary(account.account_id)
        )
    except (BrokerUnavailable, OrderRefused):
        return False
    await wire.db(holdings.refresh, account, positions=positions, summary=summary, as_of=as_of, ended_at=wire.clock())
    return True


async def read_again(wire: Wire, connection: Connection, account_ids: Collection[str]) -> None:
    """Read what accounts hold in which IBKR has refused something, and their orders."""
    for account_id in sorted(account_ids) if wire.broker.pause() is None else ():
        await read_held(wire, await wire.db(connection.accounts.get, account_id=account_id))
        await _look(wire, connection, account_id)


def between_looks(connection: Connection) -> float:
    """Seconds between two looks at IBKR's lists."""
    return 0.5 if connection.environment == Environment.SIMULATED else 6.0


async def bring_home(wire: Wire, connection: Connection, account_id: str, *, days: int = USUAL_DAYS) -> OrdersReply:
    """Store what the broker shows of an account's orders and of its fills of `days`, and return the orders.

    Raises BrokerError where IBKR does not give one of the two.
    """
    asked_at = wire.clock()
    reply = await wire.broker.orders(account_id)
    fills = await wire.broker.executions(account_id, days=days)
    await _bring(wire, connection, account_id, _Seen(reply, fills), asked_at)
    return reply


async def _look(wire: Wire, connection: Connection, account_id: str) -> _Seen:
    """As `bring_home`, and what it says. Where IBKR gives only one of the two lists, or none, it proves nothing.

    An ill list of one account holds up neither the other accounts nor what is to leave. Only a session that is lost, and
    a gateway that is left alone, raise.
    """
    asked_at = wire.clock()
    reply = await _given(wire, wire.broker.orders(account_id))
    fills = await _given(wire, wire.broker.executions(account_id))
    seen = _Seen(reply or NO_LIST, fills or ())
    if reply is None or fills is None:
        seen = _Seen(replace(seen.reply, complete=False), seen.fills, counts=False)
    await _bring(wire, connection, account_id, seen, asked_at)
    return seen


async def _given(wire: Wire, answer: Awaitable[T]) -> T | None:
    """A list of IBKR's; None where IBKR does not give it. Its session is looked at before more leaves where it may be ill too."""
    try:
        return await answer
    except OrderRefused as refusal:
        log.warning("Connection %s: %s", wire.connection_pk, refusal)
    except BrokerUnavailable as error:
        if isinstance(error, Paused):
            raise
        log.warning("Connection %s: %s", wire.connection_pk, error)
        await wire.db(sessions.doubted, wire.connection_pk)
    return None


async def _bring(wire: Wire, connection: Connection, account_id: str, seen: _Seen, asked_at: datetime) -> None:
    """Store what IBKR has shown of an account, when it was asked for at `asked_at`."""
    await wire.db(home.bring, connection, orders=seen.reply.orders, executions=seen.fills, now=wire.clock())
    if seen.reply.complete:
        await wire.db(home.note_list, connection, account_id, seen.reply.orders, asked_at)


async def _look_for(wire: Wire, connection: Connection, orders: Sequence[Order]) -> _Seen:
    """A look for orders of one account, with what it holds: a fill may show there first. The look counts with both.

    What is held is read at once, since the lists wait for their turn, and again after them: an order may fill meanwhile.
    """
    account = orders[0].account
    await read_held(wire, account)
    await wire.db(home.look_after, orders, wire.clock())
    seen = await _look(wire, connection, account.account_id)
    is_read = await read_held(wire, account)
    return replace(seen, counts=seen.counts and is_read)


def _by_account(orders: Iterable[Order]) -> list[list[Order]]:
    ordered = sorted(orders, key=lambda order: (order.account.account_id, order.pk))
    return [list(group) for _, group in groupby(ordered, key=lambda order: order.account_id)]
