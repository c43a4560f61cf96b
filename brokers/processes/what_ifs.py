"""What-ifs of people, asked of IBKR while nothing waits to leave. They make way as the previews of decisions do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from brokers.domain.brokerage import BrokerError, OrderRefused
from brokers.domain.whatif.figures import OrderPreview
from brokers.models import WhatIf
from brokers.processes.previews import makes_way, writes_wait
from brokers.processes.wire import Wire
from brokers.whatif import asking, orders

# IBKR may take ten seconds over it, as over the status of an order.
WHAT_IF_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPreview:
    """Why there is no preview, in a sentence with its stable code."""

    reason: str
    code: str


async def answer_next(wire: Wire) -> None:
    """Ask for the what-if that waits longest; one in a look, so that whoever needs the connection's lock gets it in between."""
    row = await wire.db(asking.next_one, wire.connection_pk)
    # The next one, or this one again.
    wire.wake.set()
    if row is None or await writes_wait(wire):
        return
    wire.wake.clear()
    question = asyncio.create_task(_ask(wire, row))
    if await makes_way(wire, question):
        said = question.result()
        if isinstance(said, OrderPreview):
            await wire.db(asking.answer, row, said, wire.clock())
        else:
            await wire.db(asking.no_answer, row, said.reason, said.code, wire.clock())
    wire.wake.set()


async def _ask(wire: Wire, row: WhatIf) -> OrderPreview | NoPreview:
    """IBKR's preview, or why there is none. That its session is gone, others find out."""
    leg = await wire.db(orders.leg_of, row)
    if leg is None:
        return NoPreview(reason="IBKR's contract of this order is not known any more.", code="contract-unknown")
    try:
        async with asyncio.timeout(WHAT_IF_SECONDS):
            return await wire.broker.preview(row.account.account_id, leg)
    except OrderRefused as refusal:
        return OrderPreview(refusal=str(refusal))
    except BrokerError as error:
        return NoPreview(reason=f"IBKR gave no preview. {error}", code=error.code)
    except TimeoutError:
        reason = f"IBKR did not answer within {WHAT_IF_SECONDS:.0f} seconds. Nothing was placed; ask again later."
        return NoPreview(reason=reason, code="preview-unanswered")
