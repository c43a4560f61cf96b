"""One signed-in IBKR user: the port of brokers, answered by IBKR's endpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp

from brokers.dialing import Lines
from brokers.domain.advisors.groups import Group, Shown
from brokers.domain.brokerage import (
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
    Paused,
    PositionFacts,
    Prompt,
    Question,
    Refused,
    SessionLost,
    SubmissionOutcome,
)
from brokers.domain.calls import CallLog
from brokers.domain.contracts.combos import legs_of
from brokers.domain.contracts.memory import ChainMemory
from brokers.domain.contracts.rules import ContractTerms
from brokers.domain.market.borrowing import Borrow
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import Contract, Instrument
from brokers.domain.sessions import AuthStatus, Environment, Login, SignIn
from brokers.domain.tokens import TokenShelf
from brokers.domain.trading_hours import TradingHours
from brokers.domain.whatif.figures import OrderPreview
from brokers.ibkr import order_rows, previews, translate
from brokers.ibkr.advisors import groups
from brokers.ibkr.answers import demand, demand_cancel
from brokers.ibkr.circuits import Way
from brokers.ibkr.cleaning import name
from brokers.ibkr.client import Client
from brokers.ibkr.contracts import combos, finding, future_names, stocks
from brokers.ibkr.contracts.chains import Desk
from brokers.ibkr.contracts.memory import Memory
from brokers.ibkr.contracts.prices import Prices
from brokers.ibkr.contracts.rules import contract_terms
from brokers.ibkr.lines.requests import KeptBack, NoAnswer, NotDelivered, Request
from brokers.ibkr.outcomes import LOOKED_FOR, chosen, classify, inactive_without_reason, unanswered, undelivered
from brokers.ibkr.pacing import EGRESS, Egress, Pacing
from brokers.ibkr.reads import Parts, Reads, in_turns
from brokers.ibkr.session import Session
from brokers.ibkr.texts.explained import About
from brokers.ibkr.tickets import account_of, ticket
from brokers.ibkr.translate import rows

# So long after a session was opened its accounts are those that were read then.
ACCOUNTS_ARE_NEW = 5.0


def connect(
    login: Login,
    http: Lines | aiohttp.ClientSession | None = None,
    *,
    egress: Egress = EGRESS,
    pacing: Pacing | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    shelf: TokenShelf | None = None,
    calls: CallLog | None = None,
) -> IbkrBrokerage:
    """A brokerage for this login; nothing is sent before the first call. `http` comes from `new_http()`."""
    client = Client(login, http, egress=egress, pacing=pacing, shelf=shelf, calls=calls)
    return IbkrBrokerage(client, egress=egress, now=now)


# Questions of IBKR's that nobody has answered yet, of one session.
_MOST_ASKED = 100


class IbkrBrokerage:
    """Implements `domain.brokerage.Brokerage`. Reads raise the port's errors; writes leave once and answer with an outcome."""

    def __init__(self, client: Client, *, egress: Egress, now: Callable[[], datetime]) -> None:
        self._client, self._clock, self._now = client, egress.clock, now
        self._session = Session(client, clock=egress.clock)
        self._reads = Reads(client)
        self._accounts_are_new_until = 0.0
        # Our own names of the contracts we looked up, futures by their month: IBKR's names for them are ambiguous.
        self._tickers: dict[int, str] = {}
        self._prices = Prices(self._reads, simulated=client.login.environment is Environment.SIMULATED, now=now)
        self._desk = Desk(self._prices.live)
        self.chains: ChainMemory = Memory(self._desk, self._reads.definition, now)
        # Options on futures that IBKR was asked to name.
        self._nameless: set[int] = set()
        # What an open question is about, and which legs: its answer does not always say.
        self._asked: dict[str, tuple[About, tuple[str, ...]]] = {}

    # The session

    async def session(self) -> AuthStatus:
        """Ask whether orders may be sent."""
        return await self._session.status()

    async def tickle(self) -> AuthStatus:
        """Keep the session alive, and learn its state on the way."""
        return await self._session.tickle()

    async def sign_in(self) -> SignIn:
        """What IBKR says of the login itself; once a minute at the most."""
        return await self._session.sign_in()

    async def open_session(self, *, compete: bool = True, form: bool = False) -> AuthStatus:
        """Bring the brokerage session up; not ready means it did not work.

        `compete` takes it over from another login; `form` asks as a browser does, which some gateways understand better.
        """
        self._desk.chains.forget()
        self._nameless.clear()
        status = await self.tickle()
        if not status.ready:
            self._prices.forget()
            status = await self._session.open(compete=compete, form=form)
        if status.ready:
            await self._reads.warm_up()
            self._accounts_are_new_until = self._clock() + ACCOUNTS_ARE_NEW
        return status

    async def suppress(self, message_ids: Sequence[str]) -> str:
        """Let these questions not be asked for the rest of the session, 51 at the most; IBKR's word for it."""
        return await self._session.suppress(message_ids)

    async def ask_everything(self) -> str:
        """Let IBKR ask all of its questions again; IBKR's word for it."""
        return await self._session.ask_everything()

    @property
    def session_token(self) -> str:
        """Names the websocket's session; "" before the first tickle."""
        return self._session.token

    # Accounts and money

    async def accounts(self) -> list[AccountFacts]:
        # Opening the session has just read the accounts, so the first caller gets those; a second call reads them anew.
        new, self._accounts_are_new_until = self._clock() < self._accounts_are_new_until, 0.0
        accounts = await (self._reads.accounts_as_read() if new else self._reads.accounts())
        return translate.account_facts(accounts, await self._reads.details())

    async def summary(self, account_id: str) -> AccountSummary:
        parts = {"account": account_id}
        summary = await self._reads.get("iserver/account/{account}/summary", parts)
        ledger = await self._reads.ledger(parts)
        # Day trades are counted in margin accounts alone.
        tags = None if translate.borrows(summary) != "margin" else await self._reads.tags(parts)
        return translate.account_summary(summary, ledger, tags, currency=self._reads.currency(account_id))

    async def positions(self, account_id: str) -> list[PositionFacts]:
        positions = await self._positions(account_id)
        if any(not position.ticker for position in positions):
            # A session's first read leaves the names out; the second has them.
            positions = await self._positions(account_id)
        return positions

    async def _positions(self, account_id: str) -> list[PositionFacts]:
        held = await self._reads.positions(account_id)
        if nameless := future_names.nameless(held, self._tickers.keys() | self._nameless):
            # Once in a session: what IBKR does not tell is not asked with each reading.
            self._nameless.update(nameless)
            self._tickers |= await future_names.names_of(nameless, self._reads.definition)
        return await in_turns(
            held, lambda row: translate.position_facts(row, account_id=account_id, tickers=self._tickers)
        )

    # An advisor's groups

    async def groups(self) -> Shown:
        """The groups of the user's accounts, each with who is in; none for a user who is no advisor."""
        return await groups.read(self._client, self._reads)

    async def save_group(self, group: Group, *, new: bool) -> None:
        """Make a group or change the one of this name, once; the errors are those of `advisors.groups`."""
        await groups.save(self._client, group, new=new)

    async def remove_group(self, group_name: str) -> None:
        """Remove a group, once."""
        await groups.remove(self._client, group_name)

    # Contracts and prices

    async def contract(self, instrument: Instrument, chosen: int | None = None) -> Contract:
        """IBKR's contract of an instrument, asked anew each time: futures roll, and splits give a share another number."""
        try:
            contract = await finding.find(instrument, self._reads.definition, self._now(), chosen, self._desk)
        except (BrokerUnavailable, SessionLost):
            self._desk.chains.forget()
            raise
        if stocks.in_hundredths(instrument):
            contract = stocks.magnified(contract, await self._reads.get(*_rules_of(contract)))
        self._tickers[contract.conid] = contract.ticker or instrument.ticker
        return contract

    async def quote(self, contract: Contract) -> Quote | None:
        """Prices, or None where IBKR shows none."""
        return await self._prices.quote(contract)

    async def borrow(self, contract: Contract) -> Borrow | None:
        """Whether a share can be borrowed; None where IBKR does not say."""
        return await self._prices.borrow(contract)

    async def rate(self, source: str, target: str) -> Decimal | None:
        """What one unit of `source` is in `target`; None where IBKR gives no rate."""
        body = await self._reads.get("iserver/exchangerate", params={"source": source, "target": target})
        return translate.rate(body)

    async def rules(self, contract: Contract) -> ContractTerms:
        """The accounts that may trade it, and what may be ordered of it; of a combo, who may trade its legs."""
        if (legs := legs_of(contract.conid)) is not None:
            return combos.terms(*[await self.rules(combos.of_leg(contract, leg)) for leg in legs])
        return contract_terms(await self._reads.get(*_rules_of(contract)))

    async def hours(self, contract: Contract) -> TradingHours | None:
        """When it trades in the days around today; None where IBKR does not say. The simulated market never closes."""
        if self._client.login.environment is Environment.SIMULATED:
            return None
        params = {"conid": str((legs_of(contract.conid) or [contract.conid])[0])}
        return finding.trading_hours(await self._reads.get("contract/trading-schedule", params=params), self._now())

    # Orders

    async def preview(self, account_id: str, leg: Leg) -> OrderPreview:
        """What an order would change, asked once: nothing is placed by it.

        An answer about another order raises BrokerUnavailable (preview-of-another-order), as one that is none would.
        """
        await self._prices.ask_once(leg.contract)
        order = ticket(leg, account_id=account_id, operator=self._operator)
        # Nothing is placed, so no reference is used up.
        del order["cOID"]
        parts = {"account": account_of(account_id, [leg])}
        path = "iserver/account/{account}/orders/whatif"
        body = demand(await self._client.read(Request("POST", path, parts, body={"orders": [order]}), attempts=1))
        if previews.is_of_another(body, leg):
            raise BrokerUnavailable(
                "IBKR's preview was about another order, so it says nothing about this one. Ask again.",
                code="preview-of-another-order",
            )
        return previews.preview(body)

    async def submit(self, account_id: str, legs: Sequence[Leg]) -> SubmissionOutcome:
        """Send all legs in one POST, once."""
        operator = self._operator
        try:
            tickets = [ticket(leg, account_id=account_id, operator=operator) for leg in legs]
        except OrderRefused as refusal:
            return Refused(reason=str(refusal), code=refusal.code)
        references = tuple(leg.reference for leg in legs)
        parts = {"account": account_of(account_id, legs)}
        return await self._write("iserver/account/{account}/orders", parts, {"orders": tickets}, references)

    async def reply(self, question: Question, *, confirmed: bool) -> SubmissionOutcome:
        """Answer a question, once; the answer may be the next question."""
        about, references = self._asked.pop(question.question_id, (About.ORDER, ()))
        parts = {"question": question.question_id}
        return await self._write("iserver/reply/{question}", parts, {"confirmed": confirmed}, references, about)

    async def choose(self, prompt: Prompt, option: str) -> Ambiguous:
        """Answer a prompt with one of its options, once. What became of the order, only a look at the orders tells."""
        order = prompt.broker_order_id
        body = {"orderId": int(order) if order.isdecimal() else order, "reqId": prompt.request_id, "text": option}
        try:
            answer = await self._client.write(Request("POST", "iserver/notification", body=body))
        except (Paused, NotDelivered) as problem:
            asked = f'IBKR asked "{prompt.text[:100]}" about this order, and the answer could not be sent: {problem}'
            return Ambiguous(reason=f"{asked}. Answer it in TWS. {LOOKED_FOR}", code="prompt-of-ibkr")
        except NoAnswer as problem:
            return unanswered(str(problem))
        return chosen(answer.status, answer.body, prompt, option)

    async def _write(
        self, path: str, parts: Parts, body: Any, references: tuple[str, ...], about: About = About.ORDER
    ) -> SubmissionOutcome:
        try:
            answer = await self._client.write(Request("POST", path, parts, body=body))
        except Paused as pause:
            return NotSent(reason=str(pause), code=pause.code, retry_after=pause.retry_after, pause=pause)
        except KeptBack as kept:
            return kept.outcome
        except NotDelivered as problem:
            return undelivered(self._client.login.peer, str(problem))
        except NoAnswer as problem:
            return unanswered(str(problem))
        for row in inactive_without_reason(answer.body) if answer.status == 200 else ():
            row["text"] = await self._why_inactive(name(row["order_id"], 32), parts)
        outcome = classify(
            answer.status, answer.body, references=references, retry_after=answer.retry_after, about=about
        )
        if isinstance(outcome, NotSent) and answer.status == 429:
            outcome = replace(outcome, pause=self._client.pause())
        if isinstance(outcome, Question):
            self._asked[outcome.question_id] = (about, references)
            if len(self._asked) > _MOST_ASKED:
                # Nobody has answered it; IBKR has long forgotten it.
                del self._asked[next(iter(self._asked))]
        return outcome

    async def _why_inactive(self, broker_order_id: str, parts: Parts) -> str:
        """Why IBKR does not work an order that it has just taken, where it says so anywhere."""
        with contextlib.suppress(BrokerError):
            row = await self._reads.get("iserver/account/order/status/{order}", {"order": broker_order_id})
            reason = order_rows.reason_of(row) if isinstance(row, Mapping) else ""
            if reason and not reason.startswith("Order Inactive"):
                return reason
        with contextlib.suppress(BrokerError):
            params = {"accountId": parts["account"]} if "account" in parts else {}
            listed = rows(await self._reads.get("iserver/account/orders", params=params), "orders")
            return next(
                (order_rows.reason_of(row) for row in listed if name(row.get("orderId"), 32) == broker_order_id), ""
            )
        return ""

    async def modify(self, account_id: str, broker_order_id: str, leg: Leg) -> SubmissionOutcome:
        """Change a working order, once. IBKR wants all of it again, as one bare ticket."""
        try:
            body = ticket(leg, account_id=account_id, operator=self._operator)
        except OrderRefused as refusal:
            return Refused(reason=str(refusal), code=refusal.code)
        parts = {"account": account_of(account_id, [leg]), "order": broker_order_id}
        path = "iserver/account/{account}/order/{order}"
        return await self._write(path, parts, body, (leg.reference,), About.CHANGE)

    async def cancel(self, account_id: str, broker_order_id: str) -> None:
        """Ask IBKR to cancel; returning means it took the request, not that the order is canceled."""
        parts = {"account": account_id, "order": broker_order_id}
        # Wanted for US futures, and ignored for the rest; the order's kind is not known here.
        params = {"manualIndicator": "false", "extOperator": self._operator}
        request = Request("DELETE", "iserver/account/{account}/order/{order}", parts, params)
        try:
            answer = await self._client.write(request)
        except NotDelivered as problem:
            sentence = (
                f"{self._client.login.peer} cannot be reached: {problem}. "
                "The cancel was not sent; Halyard sends it when it is back."
            )
            raise BrokerUnavailable(sentence, code="not-reached") from problem
        except NoAnswer as problem:
            sentence = (
                f"IBKR did not confirm the cancel: {problem}. Halyard looks at the order and asks again if it works."
            )
            raise BrokerUnavailable(sentence, code="answer-lost") from problem
        demand_cancel(answer, broker_order_id)

    async def orders(self, account_id: str) -> OrdersReply:
        """The day's orders. Never forced and never filtered: both change what later reads and the stream show."""
        body = await self._reads.get("iserver/account/orders", params={"accountId": account_id})
        facts = await in_turns(rows(body, "orders"), lambda row: order_rows.order_facts(row, account_id=account_id))
        complete = isinstance(body, Mapping) and body.get("snapshot") is True
        return OrdersReply(orders=facts, complete=complete)

    async def executions(self, account_id: str, *, days: int = 2) -> list[ExecutionFacts]:
        trades = await self._reads.trades(account_id, days)
        now, tickers = self._now(), self._tickers
        facts = await in_turns(
            trades, lambda row: translate.execution_facts(row, now=now, account_id=account_id, tickers=tickers)
        )
        return [fact for fact in facts if fact.account_id == account_id]

    def pause(self, *, canceling: bool = False) -> Paused | None:
        """Why we keep away from this gateway now; a cancel may leave where the rest may not."""
        return self._client.pause(Way.CANCEL if canceling else None)

    async def close(self) -> None:
        """Let the connections go. IBKR's session stays: logging out would end it for every process."""
        await self._client.close()

    @property
    def _operator(self) -> str:
        """Who is responsible for an automated futures order, as CME wants to know."""
        return self._client.login.secrets.get("operator_id") or self._client.login.username


def _rules_of(contract: Contract) -> tuple[str, dict[str, str]]:
    return "iserver/contract/{conid}/info-and-rules", {"conid": str(contract.conid)}
