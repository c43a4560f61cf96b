"""What an account holds, read at IBKR by a lane: for a decision that waits, or since an order that is looked for may show there."""

from __future__ import annotations

import asyncio

from brokers.book import holdings
from brokers.domain.brokerage import BrokerUnavailable, OrderRefused
from brokers.models import BrokerageAccount
from brokers.processes.wire import Wire


async def read(wire: Wire, account: BrokerageAccount) -> bool:
    """Read an account's positions and money; False where IBKR did not answer."""
    as_of = wire.clock()
    try:
        positions, summary = await asyncio.gather(
            wire.broker.positions(account.account_id), wire.broker.summary(account.account_id)
        )
    except (BrokerUnavailable, OrderRefused):
        return False
    await wire.db(holdings.refresh, account, positions=positions, summary=summary, as_of=as_of, ended_at=wire.clock())
    return True
