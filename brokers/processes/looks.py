"""Looks at IBKR itself that decisions wait for: money and positions of accounts whose stream gives no sign of life."""

from __future__ import annotations

import asyncio
import contextlib

from brokers.book import holdings, looks
from brokers.domain.brokerage import BrokerUnavailable, OrderRefused
from brokers.models import BrokerageAccount
from brokers.processes.wire import Wire


async def answer(wire: Wire) -> None:
    """Read the accounts that decisions wait for."""
    for account in await wire.db(looks.wanted_of, wire.connection_pk):
        try:
            with contextlib.suppress(BrokerUnavailable, OrderRefused):
                await _read(wire, account)
        finally:
            await wire.db(looks.answered, account)


async def _read(wire: Wire, account: BrokerageAccount) -> None:
    as_of = wire.clock()
    positions, summary = await asyncio.gather(
        wire.broker.positions(account.account_id), wire.broker.summary(account.account_id)
    )
    await wire.db(holdings.refresh, account, positions=positions, summary=summary, as_of=as_of, ended_at=wire.clock())
