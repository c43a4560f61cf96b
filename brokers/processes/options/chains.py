"""What a lane remembers of options' chains: taken up from their rows, kept there, and asked ahead while nothing else waits."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime

from brokers.book.options import memory
from brokers.domain.brokerage import BrokerError
from brokers.domain.contracts.warming import is_of_today
from brokers.domain.orders import Instrument
from brokers.models import OptionChain
from brokers.processes import agenda
from brokers.processes.previews import comes_first, makes_way
from brokers.processes.wire import Wire

# Of one chain: about thirty questions for each side, two at a time.
WARM_SECONDS = 60.0
# Rules of one chain that are asked ahead.
MOST_RULES = 12


async def take_up(wire: Wire, instrument: Instrument) -> str | None:
    """Let the broker know what its rows say of an option's chain; the chain's name, None for what is in none."""
    chain = wire.broker.chains.name_of(instrument)
    if chain is None:
        return None
    if wire.broker.chains.knows(chain) and await wire.db(memory.split_at, wire.connection_pk, chain) != _since(
        wire, chain
    ):
        wire.broker.chains.forget(chain)
    if not wire.broker.chains.knows(chain):
        row = await wire.db(memory.load, wire.connection_pk, chain)
        if row is not None:
            _recall(wire, row)
        elif (conid := await wire.db(memory.share_of, wire.connection_pk, chain)) is not None:
            wire.broker.chains.hint(chain, conid)
    return chain


async def keep(wire: Wire, chain: str | None) -> None:
    """Keep what was said of a chain meanwhile; nothing of one that was split since it was asked."""
    said = None if chain is None else wire.broker.chains.written(chain)
    if chain is None or said is None:
        return
    if not await wire.db(memory.keep, wire.connection_pk, chain, said, wire.clock(), _since(wire, chain)):
        wire.broker.chains.forget(chain)


def _since(wire: Wire, chain: str) -> datetime | None:
    """The split that was known when the broker was told or asked of a chain."""
    return wire.chains_since.get(chain)


async def warm_next(wire: Wire) -> None:
    """Ask ahead what picks of the chain that is wanted first will need. It makes way for all that anybody waits for.

    What was said until then is kept, so that the next time begins where it broke off.
    """
    row = await wire.db(memory.next_wanted, wire.connection_pk)
    # As with borrowing: what comes first wakes the lane once it can leave.
    if row is None or await comes_first(wire, agenda.comes_before_warming):
        return
    asking = asyncio.create_task(_warm(wire, row))
    if await makes_way(wire, asking, agenda.comes_before_warming):
        await wire.db(memory.warmed, row, wire.broker.chains.written(row.name), wire.clock())
    # The next one, or this one again.
    wire.wake.set()


async def _warm(wire: Wire, row: OptionChain) -> None:
    """Whatever goes wrong with it is for others to find out: nobody waits for this."""
    chains = wire.broker.chains
    if chains.knows(row.name) and row.split_at != _since(wire, row.name):
        chains.forget(row.name)
    if not chains.knows(row.name):
        _recall(wire, row)
    rules = await wire.db(memory.rules_of, wire.connection_pk, wire.clock())
    own = [each for each in rules if chains.name_of(each) == row.name][:MOST_RULES]
    if own:
        with contextlib.suppress(BrokerError, TimeoutError):
            async with asyncio.timeout(WARM_SECONDS):
                await chains.warm(own)


def _recall(wire: Wire, row: OptionChain) -> None:
    wire.chains_since[row.name] = row.split_at
    wire.broker.chains.recall(row.name, row.said, of_today=is_of_today(row.said_at, wire.clock()))
