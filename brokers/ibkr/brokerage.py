"""One signed-in IBKR user: the port of brokers, answered by IBKR's endpoints."""

from __future__ import annotations

import asyncio
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
from brokers.domain.contracts.rules import ContractTerms
from brokers.domain.market.borrowing import Borrow
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import Contract, Instrument
from brokers.domain.sessions import AuthStatus, Environment, Login, SignIn
from brokers.domain.tokens import TokenShelf
from brokers.domain.trading_hours import TradingHours
from brokers.domain.whatif.figures import OrderPreview
from brokers.ibkr import credentials, order_rows, previews, translate
from brokers.ibkr.advisors import groups
from brokers.ibkr.answers import demand, demand_cancel, session_status, word_of
from brokers.ibkr.circuits import Way
from brokers.ibkr.cleaning import mapping, name, text
from brokers.ibkr.client import Client
from brokers.ibkr.contracts import combos, finding, future_names, stocks
from brokers.ibkr.contracts.picks import Desk
from brokers.ibkr.contracts.rules import contract_terms
from brokers.ibkr.lines.requests import KeptBack, NoAnswer, NotDelivered, Request
from brokers.ibkr.numbers import moment, whole
from brokers.ibkr.outcomes import LOOKED_FOR, chosen, classify, inactive_without_reason, unanswered, undelivered
from brokers.ibkr.pacing import EGRESS, Egress, Pacing
from brokers.ibkr.reads import Parts, Reads, in_turns
from brokers.ibkr.texts.explained import About
from brokers.ibkr.tickets import account_of, ticket
from brokers.ibkr.translate import rows

READY_WITHIN = 20.0
SETTLES_IN = 3.0
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
        # Names the websocket's session; IBKR gives it in the answer to a tickle.
        self.session_token = ""
        self._machine = ""
        # The code of who it is that answers 403.
        self._forbids = credentials.forbidding(client.login)
        self._reads = Reads(client)
        self._accounts_are_new_until = 0.0
        # Our own names of the contracts we looked up, futures by their month: IBKR's names for them are ambiguous.
        self._tickers: dict[int, str] = {}
        self._desk = Desk(self._live_price)
        # Options on futures that IBKR was asked to name.
        self._nameless: set[int] = set()
        # The contracts that a price was asked of.
        self._quoted: set[int] = set()
        # What an open question is about, and which legs: its answer does not always say.
        self._asked: dict[str, tuple[About, tuple[str, ...]]] = {}

    # The session

    async def session(self) -> AuthStatus:
        """Ask whether orders may be sent."""
        answer = await self._client.read(Request("POST", "iserver/auth/status"))
        # "id|MAC" of the gateway's machine, which it wants to see again in a sign-in by form.
        self._machine = text(mapping(answer.body).get("hardware_info"), 200, self._machine)
        return session_status(answer, forbids=self._forbids)

    async def tickle(self) -> AuthStatus:
        """Keep the session alive, and learn its state on the way."""
        answer = await self._client.read(Request("POST", "tickle"))
        body = mapping(answer.body)
        self.session_token = text(body.get("session"), 256, self.session_token)
        # {"error": "no session"} comes with 200 and no status, which reads as signed out.
        return session_status(answer, mapping(mapping(body, "iserver"), "authStatus"), forbids=self._forbids)

    async def sign_in(self) -> SignIn:
        """What IBKR says of the login itself; once a minute at the most."""
        body = mapping(demand(await self._client.read(Request("GET", "sso/validate"), attempts=1)))
        return SignIn(place=text(body.get("region"), 20, ""), signed_in_at=moment(body.get("AUTH_TIME")))

    async def open_session(self, *, compete: bool = True, form: bool = False) -> AuthStatus:
        """Bring the brokerage session up; not ready means it did not work.

        `compete` takes it over from another login; `form` asks as a browser does, which some gateways understand better.
        """
        self._desk.chains.forget()
        self._nameless.clear()
        status = await self.tickle()
        if not status.ready:
            status = await self._sign_in(compete=compete, form=form)
        if status.ready:
            await self._reads.warm_up()
            self._accounts_are_new_until = self._clock() + ACCOUNTS_ARE_NEW
        return status

    async def _sign_in(self, *, compete: bool, form: bool) -> AuthStatus:
        self._quoted.clear()
        path = "iserver/auth/ssodh/init"
        request = Request("POST", path, body={"publish": True, "compete": compete})
        if form:
            machine, _, mac = self._machine.partition("|")
            fields = {"publish": "true", "compete": "true" if compete else "false", "machineId": machine, "mac": mac}
            request = Request("POST", path, form={name: value for name, value in fields.items() if value})
        # Sent once: repeating it would throw out the session that is being opened.
        answer = await self._client.read(request, attempts=1)
        if answer.status == 500 and self._client.login.environment is Environment.PAPER:
            raise BrokerUnavailable(
                "IBKR opens no API session for this paper user yet; a new paper account can take days. "
                "Log in to it once on IBKR's website. Halyard tries again.",
                code="paper-user-not-ready",
            )
        return await self._opened(session_status(answer, forbids=self._forbids))

    async def _opened(self, status: AuthStatus) -> AuthStatus:
        """The status once the session is open; or as it is when it does not open."""
        give_up_at, pause = self._clock() + READY_WITHIN, 0.1
        # A 200 that says authenticated:false is a failed sign-in, or IBKR asks to be waited for: the caller looks again.
        while status.authenticated and not status.ready and not status.competing and self._clock() < give_up_at:
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 2)
            status = await self.session()
        if status.ready and status.established is None:
            # Servers that do not say when the session is established need a moment after the sign-in.
            await asyncio.sleep(SETTLES_IN)
            status = await self.session()
        return status

    async def suppress(self, message_ids: Sequence[str]) -> str:
        """Let these questions not be asked for the rest of the session, 51 at the most; IBKR's word for it."""
        request = Request("POST", "iserver/questions/suppress", body={"messageIds": list(message_ids)})
        return word_of(await self._client.read(request, attempts=1))

    async def ask_everything(self) -> str:
        """Let IBKR ask all of its questions again; IBKR's word for it."""
        return word_of(await self._client.read(Request("POST", "iserver/questions/suppress/reset"), attempts=1))

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
        """Prices, or None where IBKR shows none; the first request of a session only subscribes, so it is repeated."""
        if (legs := legs_of(contract.conid)) is not None:
            return combos.net_quote(*[await self.quote(combos.of_leg(contract, leg)) for leg in legs])
        params = _snapshot_of(contract)
        # A simulated market answers the second request at once.
        simulated = self._client.login.environment is Environment.SIMULATED
        for pause in (0.01 if simulated else 0.3, None):
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
        simulated = self._client.login.environment is Environment.SIMULATED
        for pause in (0.01 if simulated else 0.3, None):
            quoted = rows(await self._reads.get("iserver/marketdata/snapshot", params=params))
            row = next((row for row in quoted if whole(row.get("conid")) == contract.conid), {})
            borrow = translate.borrow(row, now=self._now())
            if borrow is not None or pause is None:
                return borrow
            await asyncio.sleep(pause)
        return None

    async def _live_price(self, contract: Contract) -> Decimal | None:
        """What it costs now: by a live quote; None where IBKR shows none."""
        quote = await self.quote(contract)
        live = None if quote is None else quote.live(self._now())
        return None if live is None else live.mid

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
        for conid in legs_of(leg.contract.conid) or [leg.contract.conid]:
            if conid not in self._quoted:
                # IBKR previews only what it was asked a price of in this session.
                await self._reads.get(
                    "iserver/marketdata/snapshot", params=_snapshot_of(replace(leg.contract, conid=conid))
                )
                self._quoted.add(conid)
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


def _snapshot_of(contract: Contract) -> dict[str, str]:
    return {"conids": str(contract.conid), "fields": translate.SNAPSHOT_FIELDS}
