"""What IBKR's snapshots show of a contract now: its prices, and whether a share can be borrowed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from brokers.domain.contracts.combos import legs_of
from brokers.domain.market.borrowing import Borrow
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import Contract
from brokers.ibkr import translate
from brokers.ibkr.contracts import combos
from brokers.ibkr.numbers import whole
from brokers.ibkr.reads import Reads
from brokers.ibkr.translate import rows


class Prices:
    """Snapshots of one session, and of which contracts one was asked for in it."""

    def __init__(self, reads: Reads, *, simulated: bool, now: Callable[[], datetime]) -> None:
        self._reads, self._now = reads, now
        # A simulated market answers the second request at once.
        self._pause = 0.01 if simulated else 0.3
        self._quoted: set[int] = set()

    def forget(self) -> None:
        """A new session was asked for no price yet."""
        self._quoted.clear()

    async def quote(self, contract: Contract) -> Quote | None:
        """Prices, or None where IBKR shows none; the first request of a session only subscribes, so it is repeated."""
        if (legs := legs_of(contract.conid)) is not None:
            return combos.net_quote(*[await self.quote(combos.of_leg(contract, leg)) for leg in legs])
        params = _snapshot_of(contract)
        for pause in (self._pause, None):
            quoted = rows(await self._reads.get("iserver/marketdata/snapshot", params=params))
            row = next((row for row in quoted if whole(row.get("conid")) == contract.conid), {})
            quote = translate.quote(row, now=self._now())
            if quote is not None or "6509" in row or pause is None:
                self._quoted.add(contract.conid)
                return quote
            await asyncio.sleep(pause)
        return None

    async def borrow(self, contract: Contract) -> Borrow | None:
        """Whether a share can be borrowed; None where IBKR does not say. As of quotes, the first request may only subscribe."""
        params = {"conids": str(contract.conid), "fields": translate.BORROW_FIELDS}
        for pause in (self._pause, None):
            quoted = rows(await self._reads.get("iserver/marketdata/snapshot", params=params))
            row = next((row for row in quoted if whole(row.get("conid")) == contract.conid), {})
            borrow = translate.borrow(row, now=self._now())
            if borrow is not None or pause is None:
                return borrow
            await asyncio.sleep(pause)
        return None

    async def live(self, contract: Contract) -> Decimal | None:
        """What it costs now: by a live quote; None where IBKR shows none."""
        quote = await self.quote(contract)
        live = None if quote is None else quote.live(self._now())
        return None if live is None else live.mid

    async def ask_once(self, contract: Contract) -> None:
        """Ask for a price of it, of a combo for one of each leg, unless that was done in this session: IBKR previews nothing else."""
        for conid in legs_of(contract.conid) or [contract.conid]:
            if conid not in self._quoted:
                await self._reads.get(
                    "iserver/marketdata/snapshot", params=_snapshot_of(replace(contract, conid=conid))
                )
                self._quoted.add(conid)


def _snapshot_of(contract: Contract) -> dict[str, str]:
    return {"conids": str(contract.conid), "fields": translate.SNAPSHOT_FIELDS}
