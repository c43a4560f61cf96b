"""One signed-in IBKR user: the port's verbs, said in IBKR's endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp

from brokers.domain.orders import Contract, Instrument
from brokers.domain.sessions import AuthStatus, Environment, Login
from brokers.domain.snapshot import Quote
from brokers.ibkr import contracts, translate
from brokers.ibkr.answers import check_environment, demand, session_status, wants_accounts_first
from brokers.ibkr.client import Answer, Client, NoAnswer, NotDelivered
from brokers.ibkr.outcomes import Kind, classify, error_text
from brokers.ibkr.pacing import EGRESS, Egress, Pacing
from brokers.ibkr.tickets import account_of, ticket
from brokers.ibkr.translate import Row, rows
from brokers.ports import (
    AccountFacts,
    AccountSummary,
    Ambiguous,
    BrokerError,
    BrokerUnavailable,
    ExecutionFacts,
    Leg,
    NotSent,
    OrderRefused,
    OrdersReply,
    PositionFacts,
    Question,
    Refused,
    SessionLost,
    SubmissionOutcome,
)

READY_WITHIN = 20.0
Parts = Mapping[str, str]


def connect(
    login: Login,
    http: aiohttp.ClientSession | None = None,
    *,
    egress: Egress = EGRESS,
    pacing: Pacing | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> IbkrBrokerage:
    """A brokerage for this login; nothing is sent before the first call. `http` comes from `new_http()`."""
    return IbkrBrokerage(Client(login, http, egress=egress, pacing=pacing), egress=egress, now=now)


class IbkrBrokerage:
    """Implements `ports.Brokerage`. Reads raise the port's errors; writes leave once and answer with an outcome."""

    def __init__(self, client: Client, *, egress: Egress, now: Callable[[], datetime]) -> None:
        self._client, self._clock, self._now = client, egress.clock, now
        # Names the websocket's session; IBKR gives it in the answer to a tickle.
        self.session_token = ""
        self._accounts: dict[str, Any] | None = None
        self._portfolio: list[Row] | None = None
        self._trades_read = False
        self._contracts: dict[Instrument, Contract] = {}
        # Which legs an open question is about: its answer does not always say.
        self._asked: dict[str, tuple[str, ...]] = {}
        self._selecting = asyncio.Lock()

    # The session

    async def session(self) -> AuthStatus:
        """Ask whether orders may be sent."""
        return session_status(await self._client.read("POST", "iserver/auth/status"))

    async def tickle(self) -> AuthStatus:
        """Keep the session alive, and learn its state on the way."""
        answer = await self._client.read("POST", "tickle")
        body = answer.body if isinstance(answer.body, Mapping) else {}
        self.session_token = str(body.get("session") or self.session_token)
        # {"error": "no session"} comes with 200 and no status, which reads as signed out.
        return session_status(answer, (body.get("iserver") or {}).get("authStatus") or {})

    async def open_session(self) -> AuthStatus:
        """Bring the brokerage session up, taking it over from another login; not ready means it did not work."""
        status = await self.tickle()
        if not status.ready:
            status = await self._sign_in()
        if status.ready:
            await self._warm_up()
        return status

    async def _sign_in(self) -> AuthStatus:
        body = {"publish": True, "compete": True}
        # Asked once: repeating it would throw out the session that is being opened.
        answer = await self._client.read("POST", "iserver/auth/ssodh/init", body=body, attempts=1)
        waiting = isinstance(answer.body, Mapping) and bool(answer.body.get("wait"))
        status = session_status(answer)
        # A 200 that says authenticated:false is a failed sign-in, unless IBKR asks us to wait for it.
        if status.ready or not (status.authenticated or waiting):
            return status
        give_up_at, pause = self._clock() + READY_WITHIN, 0.1
        while not status.ready and self._clock() < give_up_at:
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 2)
            status = await self.session()
        return status

    async def _warm_up(self) -> None:
        """What IBKR wants read before it serves the rest, and the first reads that lie by omission."""
        accounts = await self._query_accounts()
        await self._query_portfolio()
        for account_id in list(accounts.get("accounts") or [])[:1]:
            await self._get("iserver/account/orders", params={"accountId": str(account_id)})
            await self._get("iserver/account/trades", params={"days": "1"})
            self._trades_read = True

    # Accounts and money

    async def accounts(self) -> list[AccountFacts]:
        return translate.account_facts(await self._query_accounts(), await self._query_portfolio())

    async def summary(self, account_id: str) -> AccountSummary:
        parts = {"account": account_id}
        summary = await self._get("iserver/account/{account}/summary", parts)
        try:
            ledger = await self._get_portfolio("portfolio/{account}/ledger", parts)
        except BrokerError:
            # Profit is good to have; the account's value is needed.
            ledger = None
        details = {str(row.get("accountId")): str(row.get("currency") or "USD") for row in self._portfolio or []}
        return translate.account_summary(summary, ledger, currency=details.get(account_id, "USD"))

    async def positions(self, account_id: str) -> list[PositionFacts]:
        """What the account holds, from the uncached endpoint where the server has it."""
        found = await self._positions(account_id)
        if any(not position.ticker for position in found):
            # A session's first read leaves the names out; the second has them.
            found = await self._positions(account_id)
        return found

    async def _positions(self, account_id: str) -> list[PositionFacts]:
        parts = {"account": account_id}
        try:
            held = rows(await self._get_portfolio("portfolio2/{account}/positions", parts))
        except OrderRefused:
            held = await self._position_pages(parts)
        facts = (translate.position_facts(row, account_id=account_id, tickers=self._tickers) for row in held)
        return [fact for fact in facts if fact is not None]

    async def _position_pages(self, parts: Parts) -> list[Row]:
        held: list[Row] = []
        for page in range(100):
            found = rows(
                await self._get_portfolio("portfolio/{account}/positions/{page}", {**parts, "page": str(page)})
            )
            held += found
            if len(found) < 100:
                break
        return held

    # Contracts and prices

    async def contract(self, instrument: Instrument) -> Contract:
        if instrument not in self._contracts:
            self._contracts[instrument] = await contracts.find(instrument, self._definition, self._now().date())
        return self._contracts[instrument]

    async def _definition(self, path: str, params: Mapping[str, str]) -> Any:
        try:
            return await self._get(path, params=params)
        except OrderRefused:
            # An unknown symbol may be an error instead of an empty list.
            return {}

    async def quote(self, contract: Contract) -> Quote | None:
        """Prices, or None where IBKR shows none; the first request of a session only subscribes, so it is repeated."""
        params = {"conids": str(contract.conid), "fields": translate.SNAPSHOT_FIELDS}
        # A simulated market answers the second request at once.
        simulated = self._client.login.environment is Environment.SIMULATED
        for pause in (0.01 if simulated else 0.3, None):
            found = rows(await self._get("iserver/marketdata/snapshot", params=params))
            row = next((row for row in found if row.get("conid") in {contract.conid, str(contract.conid)}), {})
            quote = translate.quote(row, now=self._now())
            if quote is not None or "6509" in row or pause is None:
                return quote
            await asyncio.sleep(pause)
        return None

    # Orders

    async def submit(self, account_id: str, legs: Sequence[Leg]) -> SubmissionOutcome:
        """Send all legs in one POST, once."""
        operator = self._operator
        try:
            tickets = [ticket(leg, account_id=account_id, operator=operator) for leg in legs]
        except OrderRefused as refusal:
            return Refused(reason=str(refusal))
        references = tuple(leg.reference for leg in legs)
        parts = {"account": account_of(account_id, legs)}
        return await self._write("iserver/account/{account}/orders", parts, {"orders": tickets}, references, "post")

    async def reply(self, question: Question, *, confirmed: bool) -> SubmissionOutcome:
        """Answer a question, once; the answer may be the next question."""
        references = self._asked.pop(question.question_id, ())
        parts = {"question": question.question_id}
        return await self._write("iserver/reply/{question}", parts, {"confirmed": confirmed}, references, "reply")

    async def _write(
        self, path: str, parts: Parts, body: Any, references: tuple[str, ...], kind: Kind
    ) -> SubmissionOutcome:
        try:
            answer = await self._client.write("POST", path, parts=parts, body=body)
        except BrokerUnavailable as told_to_wait:
            return NotSent(reason=str(told_to_wait), retry_after=told_to_wait.retry_after)
        except NotDelivered as problem:
            return NotSent(reason=f"IBKR could not be reached: {problem}. The order was not sent.")
        except NoAnswer as problem:
            return Ambiguous(reason=f"IBKR did not confirm the order: {problem}. Halyard checks whether it was placed.")
        outcome = classify(answer.status, answer.body, references=references, kind=kind, retry_after=answer.retry_after)
        if isinstance(outcome, Question):
            self._asked[outcome.question_id] = references
        return outcome

    async def cancel(self, account_id: str, broker_order_id: str) -> None:
        """Ask IBKR to cancel; returning means it took the request, not that the order is canceled."""
        parts = {"account": account_id, "order": broker_order_id}
        # Wanted for US futures, and ignored for the rest; the order's kind is not known here.
        params = {"manualIndicator": "false", "extOperator": self._operator}
        try:
            answer = await self._client.write(
                "DELETE", "iserver/account/{account}/order/{order}", parts=parts, params=params
            )
        except NotDelivered as problem:
            raise BrokerUnavailable(f"IBKR cannot be reached: {problem}. The cancel was not sent.") from problem
        except NoAnswer as problem:
            raise BrokerUnavailable(
                f"IBKR did not confirm the cancel: {problem}. Look at the order's status first."
            ) from problem
        if "doesn't exist" in error_text(answer.body) or answer.status == 404:
            raise OrderRefused(
                f"IBKR has no working order {broker_order_id}; it may be filled or canceled.", code="unknown-order"
            )
        body = demand(answer)
        if refusal := error_text(body):
            raise OrderRefused(refusal, code="cancel-refused")

    async def orders(self, account_id: str) -> OrdersReply:
        """The day's orders. Never forced and never filtered: both change what later reads and the stream show."""
        body = await self._get("iserver/account/orders", params={"accountId": account_id})
        facts = [translate.order_facts(row, account_id=account_id) for row in rows(body, "orders")]
        complete = isinstance(body, Mapping) and body.get("snapshot") is True
        return OrdersReply(orders=[fact for fact in facts if fact is not None], complete=complete)

    async def executions(self, account_id: str, *, days: int = 2) -> list[ExecutionFacts]:
        """The account's fills of the last days; IBKR tells them of the selected account only."""
        async with self._selecting:
            await self._select(account_id)
            found = await self._trades(days)
            if not found and not self._trades_read:
                # The first read of a session is empty although fills exist.
                found = await self._trades(days)
            self._trades_read = True
        facts = (
            translate.execution_facts(row, now=self._now(), account_id=account_id, tickers=self._tickers)
            for row in found
        )
        return [fact for fact in facts if fact is not None and fact.account_id == account_id]

    async def _trades(self, days: int) -> list[Row]:
        return rows(await self._get("iserver/account/trades", params={"days": str(min(7, max(1, days)))}))

    async def _select(self, account_id: str) -> None:
        accounts = self._accounts or await self._query_accounts()
        if len(accounts.get("accounts") or []) > 1 and accounts.get("selectedAccount") != account_id:
            demand(await self._client.read("POST", "iserver/account", body={"acctId": account_id}))
            accounts["selectedAccount"] = account_id

    async def close(self) -> None:
        """Let the connections go. IBKR's session stays: logging out would end it for every process."""
        await self._client.close()

    # Asking

    async def _get(self, path: str, parts: Parts | None = None, *, params: Mapping[str, str] | None = None) -> Any:
        answer = await self._client.read("GET", path, parts=parts, params=params)
        if wants_accounts_first(answer):
            await self._query_accounts()
            answer = await self._client.read("GET", path, parts=parts, params=params)
        return demand(answer)

    async def _get_portfolio(self, path: str, parts: Parts) -> Any:
        """A read that IBKR serves only after /portfolio/accounts, and answers with 401 otherwise."""
        fresh = self._portfolio is None
        if fresh:
            await self._query_portfolio()
        try:
            return await self._get(path, parts)
        except SessionLost:
            if fresh:
                raise
            await self._query_portfolio()
            return await self._get(path, parts)

    async def _query_accounts(self) -> dict[str, Any]:
        answer: Answer = await self._client.read("GET", "iserver/accounts")
        body = demand(answer)
        check_environment(body, self._client.login.environment)
        self._accounts = body if isinstance(body, dict) else {}
        return self._accounts

    async def _query_portfolio(self) -> list[Row]:
        self._portfolio = rows(demand(await self._client.read("GET", "portfolio/accounts")))
        return self._portfolio

    @property
    def _tickers(self) -> dict[int, str]:
        """Our own names of the contracts we looked up; IBKR's names for futures are ambiguous."""
        return {contract.conid: instrument.ticker for instrument, contract in self._contracts.items()}

    @property
    def _operator(self) -> str:
        """Who is responsible for an automated futures order, as CME wants to know."""
        return self._client.login.secrets.get("operator_id") or self._client.login.username
