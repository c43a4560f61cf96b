"""Telling IBKR which of its questions it need not ask in this session, or that it is to ask them again."""

from __future__ import annotations

import asyncio
import logging

from brokers.domain.brokerage import BrokerError
from brokers.orders.unasked import suppressions
from brokers.orders.unasked.suppressions import Wish
from brokers.processes.wire import Wire

log = logging.getLogger(__name__)

# Orders wait for it no longer: a question that is asked after all is answered.
WITHIN_SECONDS = 5.0


async def tell(wire: Wire) -> None:
    """Tell IBKR what is wished for. Whatever becomes of it, the session goes on trading."""
    wish = await wire.db(suppressions.begin, wire.connection_pk, wire.clock())
    if wish is None:
        return
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            answer = await _told(wire, wish)
    except (BrokerError, TimeoutError) as problem:
        reason = str(problem) or f"IBKR did not answer within {WITHIN_SECONDS:.0f} seconds."
        log.warning("Connection %s: IBKR was not told which questions to ask: %s", wire.connection_pk, reason)
        await wire.db(suppressions.failed, wish, reason, wire.clock())
    else:
        await wire.db(suppressions.told, wish, answer)


async def _told(wire: Wire, wish: Wish) -> str:
    answer = ""
    if wish.resets:
        answer = await wire.broker.ask_everything()
        await wire.db(suppressions.asks_again, wish)
    if wish.message_ids:
        answer = await wire.broker.suppress(wish.message_ids)
    return answer
