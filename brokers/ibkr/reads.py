"""Reads of one login: IBKR wants some endpoints read before others, and leaves rows out of some first reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from brokers.domain.brokerage import BrokerError, OrderRefused, SessionLost
from brokers.ibkr import cleaning
from brokers.ibkr.answers import check_environment, demand, wants_accounts_first
from brokers.ibkr.cleaning import name
from brokers.ibkr.client import Client
from brokers.ibkr.lines.requests import Request
from brokers.ibkr.translate import Row, account_ids, rows

Fact = TypeVar("Fact")
Parts = Mapping[str, str]
Params = Mapping[str, str]

# After so many rows the others on the loop have their turn.
_ROWS_AT_ONCE = 200


class Reads:
    """Reads what a read needs before it: `/iserver/accounts` before orders, `/portfolio/accounts` before holdings."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._accounts: dict[str, Any] | None = None
        self._portfolio: list[Row] | None = None
        self._trades_read = False
        self._selecting = asyncio.Lock()

    async def get(self, path: str, parts: Parts | None = None, *, params: Params | None = None) -> Any:
        """The body of a GET, or one of the port's errors."""
        request = Request("GET", path, parts, params)
        answer = await self._client.read(request)
        if wants_accounts_first(answer):
            await self.accounts()
            answer = await self._client.read(request)
        return demand(answer)

    async def get_portfolio(self, path: str, parts: Parts) -> Any:
        """A read that IBKR serves only after /portfolio/accounts, and answers with 401 otherwise."""
        fresh = self._portfolio is None
        if fresh:
            await self.portfolio()
        try:
            return await self.get(path, parts)
        except SessionLost:
            if fresh:
                raise
            await self.portfolio()
            return await self.get(path, parts)

    async def accounts(self) -> dict[str, Any]:
        """/iserver/accounts; refuses a login that is not the paper or live one it was connected as."""
        body = demand(await self._client.read(Request("GET", "iserver/accounts")))
        check_environment(body, self._client.login.environment)
        self._accounts = body if isinstance(body, dict) else {}
        return self._accounts

    async def accounts_as_read(self) -> dict[str, Any]:
        """/iserver/accounts as it was read before."""
        return self._accounts or await self.accounts()

    async def details(self) -> list[Row]:
        """/portfolio/accounts as it was read before; IBKR allows it once in five seconds."""
        return self._portfolio if self._portfolio is not None else await self.portfolio()

    async def portfolio(self) -> list[Row]:
        """/portfolio/accounts."""
        self._portfolio = rows(demand(await self._client.read(Request("GET", "portfolio/accounts"))))
        return self._portfolio

    async def warm_up(self) -> None:
        """Read what a new brokerage session wants read once, and what it leaves out of its first reads."""
        accounts = await self.accounts()
        await self.portfolio()
        for account_id in account_ids(accounts)[:1]:
            await self.get("iserver/account/orders", params={"accountId": account_id})
            await self._trades(days=1)

    async def ledger(self, parts: Parts) -> Any:
        """The account's ledger, which holds its profit; None where it cannot be read: the summary is of use without it."""
        try:
            return await self.get_portfolio("portfolio/{account}/ledger", parts)
        except BrokerError:
            return None

    async def tags(self, parts: Parts) -> Any:
        """The tags of the account's portfolio, among them what no other read tells; None where they cannot be read."""
        try:
            return await self.get_portfolio("portfolio/{account}/summary", parts)
        except BrokerError:
            return None

    def currency(self, account_id: str) -> str:
        """The account's base currency, as far as it was read."""
        details = {name(row.get("accountId")): row.get("currency") for row in self._portfolio or []}
        return cleaning.currency(details.get(account_id))

    async def positions(self, account_id: str) -> list[Row]:
        """From the uncached endpoint where the server has it, else page by page."""
        parts = {"account": account_id}
        try:
            return rows(await self.get_portfolio("portfolio2/{account}/positions", parts))
        except OrderRefused:
            held: list[Row] = []
        for page in range(100):
            paged = {**parts, "page": str(page)}
            page_rows = rows(await self.get_portfolio("portfolio/{account}/positions/{page}", paged))
            held += page_rows
            if len(page_rows) < 100:
                break
        return held

    async def trades(self, account_id: str, days: int) -> list[Row]:
        """The fills of an account; IBKR shows those of the selected account only."""
        async with self._selecting:
            await self._select(account_id)
            warm = self._trades_read
            trades = await self._trades(days)
            # The first read of a session is empty although fills exist, and does not say so.
            return trades if trades or warm else await self._trades(days)

    async def _trades(self, days: int) -> list[Row]:
        trades = rows(await self.get("iserver/account/trades", params={"days": str(min(7, max(1, days)))}))
        self._trades_read = True
        return trades

    async def _select(self, account_id: str) -> None:
        accounts = await self.accounts_as_read()
        if len(account_ids(accounts)) > 1 and accounts.get("selectedAccount") != account_id:
            demand(await self._client.read(Request("POST", "iserver/account", body={"acctId": account_id})))
            accounts["selectedAccount"] = account_id

    async def definition(self, path: str, params: Params, parts: Parts | None = None) -> Any:
        """A read about contracts; an unknown symbol may be an error instead of an empty list."""
        try:
            return await self.get(path, parts, params=params)
        except OrderRefused:
            return {}


async def in_turns(listed: Sequence[Row], read: Callable[[Row], Fact | None]) -> list[Fact]:
    """The facts of many rows, without keeping the loop from everybody else meanwhile."""
    facts: list[Fact] = []
    for begin in range(0, len(listed), _ROWS_AT_ONCE):
        if begin:
            await asyncio.sleep(0)
        part = (read(row) for row in listed[begin : begin + _ROWS_AT_ONCE])
        facts += [fact for fact in part if fact is not None]
    return facts
