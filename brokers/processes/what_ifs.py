"""What-ifs of people, asked of IBKR while nothing waits to leave. They make way as the previews of decisions do."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from brokers.domain.brokerage import BrokerError, OrderRefused, Paused, SessionLost
from brokers.domain.calls import about_order
from brokers.domain.whatif.figures import OrderPreview
from brokers.models import Order, WhatIf
from brokers.processes import agenda
from brokers.processes.previews import comes_first, makes_way
from brokers.processes.wire import Wire
from brokers.whatif import asking, before_entries, orders

# IBKR may take ten seconds over it, as over the status of an order.
WHAT_IF_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPreview:
    """Why there is no preview, in a sentence with its stable code."""

    reason: str
    code: str


async def answer_next(wire: Wire) -> None:
    """Ask for the what-if that waits longest. One a look: between two looks another process can take the connection's lock."""
    row = await wire.db(asking.next_one, wire.connection_pk)
    if row is None:
        return
    if await comes_first(wire):
        wire.wake.set()
        return
    question = asyncio.create_task(_ask(wire, row))
    if await makes_way(wire, question):
        said = question.result()
        if isinstance(said, OrderPreview):
            await wire.db(asking.answer, row, said, wire.clock())
        else:
            await wire.db(asking.no_answer, row, said.reason, said.code, wire.clock())
    # The next one, or this one again.
    wire.wake.set()


async def ask_first(wire: Wire) -> None:
    """Ask about the entry that waits longest for its preview, and let it go or end it by the answer.

    An order, cancel or change that waits to leave goes first and ends the question, which is asked again afterwards. A
    session that is gone is no answer: the entry waits, and ends when it is too late.
    """
    order = await wire.db(agenda.next_asking, wire.connection_pk, wire.clock())
    if order is None:
        # It waits for something else first, as the entry behind an exit does.
        return
    if await comes_first(wire):
        wire.wake.set()
        return
    row = await wire.db(before_entries.begin, order, wire.clock())
    question = asyncio.create_task(_ask(wire, row, about=order))
    if await makes_way(wire, question):
        said = question.result()
        if isinstance(said, OrderPreview):
            await wire.db(before_entries.answer, order, row, said, wire.clock())
        else:
            await wire.db(before_entries.no_answer, order, row, said.reason, said.code, wire.clock())
    wire.wake.set()


async def _ask(wire: Wire, row: WhatIf, about: Order | None = None) -> OrderPreview | NoPreview:
    """IBKR's preview, or why there is none. `about`: the entry that waits for it, for which a session is opened again."""
    leg = await wire.db(orders.leg_of, row)
    if leg is None:
        return NoPreview(reason="IBKR's contract of this order is not known any more.", code="contract-unknown")
    try:
        async with asyncio.timeout(WHAT_IF_SECONDS):
            with contextlib.nullcontext() if about is None else about_order(about.pk, way_out=False):
                return await wire.broker.preview(row.account.account_id, leg)
    except OrderRefused as refusal:
        return OrderPreview(refusal=str(refusal))
    except BrokerError as error:
        if about is not None and isinstance(error, SessionLost | Paused):
            raise
        return NoPreview(reason=f"IBKR gave no preview. {error}", code=error.code)
    except TimeoutError:
        reason = f"IBKR did not answer within {WHAT_IF_SECONDS:.0f} seconds. Nothing was placed; ask again later."
        return NoPreview(reason=reason, code="preview-unanswered")
