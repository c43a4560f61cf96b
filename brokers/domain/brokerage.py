"""The window in the wall: what we need from a broker, and the four ways it can fail.

An error is named by what its caller does next. A lost answer to `submit` is none of them: that is the outcome
`Ambiguous`, and only reconciliation may find out what became of the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from brokers.domain.advisors.groups import Group, Shown
from brokers.domain.capabilities import NOT_SAID, Capabilities
from brokers.domain.contracts.memory import ChainMemory
from brokers.domain.contracts.rules import ContractTerms
from brokers.domain.market.borrowing import Borrow
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import Contract, Instrument, OrderIntent, OrderStatus, OrderType, Side
from brokers.domain.sessions import AuthStatus, Login, SignIn
from brokers.domain.trading_hours import TradingHours
from brokers.domain.whatif.figures import OrderPreview

# Days of executions: what happened while nobody watched may be as old as IBKR tells, a restored backup older still.
USUAL_DAYS, MOST_DAYS = 2, 7


class BrokerError(Exception):
    """Base of the four errors; `str(error)` is a sentence for people, `code` says the same and never changes."""

    code = "broker-error"


class BrokerUnavailable(BrokerError):
    """Nobody answered, or the broker asked us to wait: try again later. `retry_after` in seconds when known."""

    def __init__(self, reason: str, retry_after: float | None = None, code: str = "ibkr-unavailable") -> None:
        super().__init__(reason)
        self.retry_after, self.code = retry_after, code


class Paused(BrokerUnavailable):
    """We keep away from this gateway for `retry_after` seconds; `code` says why and is stable."""

    def __init__(self, reason: str, *, code: str = "too-many-requests", retry_after: float | None = None) -> None:
        super().__init__(reason, retry_after)
        self.code = code


SLOW_DOWN = (
    "IBKR asked us to slow down; Halyard waits as long as IBKR wants it to, and then goes on by itself. "
    "Cancels leave meanwhile."
)


class SessionLost(BrokerError):
    """The brokerage session is gone: sign in again, then try again."""

    def __init__(self, reason: str, code: str = "not-signed-in") -> None:
        super().__init__(reason)
        self.code = code


class OrderRefused(BrokerError):
    """Final: tell the trader. `code` is stable, the message is a sentence."""

    def __init__(self, reason: str, code: str = "order-refused") -> None:
        super().__init__(reason)
        self.code = code


class LoginRefused(BrokerError):
    """Final: tell the owner of the connection. `help_page` names the page that explains the way out."""

    def __init__(self, reason: str, help_page: str = "", code: str = "login-refused") -> None:
        super().__init__(reason)
        self.help_page, self.code = help_page, code


class CertificateRefused(LoginRefused):
    """The gateway shows a certificate that nobody accepted for it; `seen` is its fingerprint where it is known."""

    def __init__(self, reason: str, *, code: str, seen: str = "") -> None:
        super().__init__(reason, "gateway", code)
        self.seen = seen


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    account_id: str
    is_paper: bool
    is_advisor: bool = False
    currency: str = "USD"
    title: str = ""
    capabilities: Capabilities = NOT_SAID


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSummary:
    """Money in `currency`; None where the broker does not say."""

    net_liquidation: Decimal | None
    cash: Decimal | None
    buying_power: Decimal | None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None
    available_funds: Decimal | None = None
    # What of the cash is settled: the rest is of sales whose money has not come yet.
    settled_cash: Decimal | None = None
    # Day trades that the broker still takes before it takes the account for a pattern day trader's; -1: without a limit.
    day_trades_left: int | None = None
    currency: str = "USD"
    # "cash" or "margin"; empty where the broker does not say.
    margin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFacts:
    """One holding. `average_cost` is a price per unit, as quotes are; None where the broker shows none."""

    account_id: str
    conid: int
    ticker: str
    asset_class: str
    quantity: Decimal
    average_cost: Decimal | None
    market_price: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    currency: str = "USD"
    # What it is worth in its currency, by the broker's word.
    worth: Decimal | None = None

    def in_units_of(self, multiplier: Decimal) -> PositionFacts:
        """The holding with prices in the units of its contract, of which one is worth `multiplier`: the broker shows holdings
        in pounds whose prices are in pence elsewhere. Where nothing says which of the two they are, there are none."""
        price, average = self.market_price, self.average_cost
        if multiplier >= 1:
            return self
        in_currency = _in_currency(self.worth, self.quantity * (price or Decimal(0)), multiplier)
        if in_currency is None:
            return replace(self, market_price=None, average_cost=None)
        if not in_currency:
            return self
        return replace(
            self,
            market_price=None if price is None else price / multiplier,
            average_cost=None if average is None else average / multiplier,
        )


def _in_currency(money: Decimal | None, points: Decimal, multiplier: Decimal) -> bool | None:
    """Whether prices that sum up to so many points are in the currency, and not in units of which each is worth
    `multiplier`; None where nothing says how much money it is."""
    if not money or not points:
        return None
    each = abs(money / points)
    # Nearer to a whole than to the part.
    return each * each > multiplier


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """One order as the broker shows it. A field is None when this message did not carry it (websocket deltas)."""

    account_id: str
    broker_order_id: str
    reference: str | None = None
    parent_broker_order_id: str | None = None
    status: OrderStatus | None = None
    # All of it, what has filled included: the broker may have made it smaller or larger than we asked for.
    quantity: Decimal | None = None
    filled_quantity: Decimal | None = None
    remaining_quantity: Decimal | None = None
    average_price: Decimal | None = None
    conid: int | None = None
    side: Side | None = None
    type: OrderType | None = None
    # Why it is as it is, in a sentence with the code of that reason; `words` are the broker's own.
    text: str = ""
    code: str = ""
    words: str = ""
    # Why the broker keeps back an order that may still fill; "" where it does not.
    held: str | None = None
    # What it is in, and how the broker describes it: needed of orders that are not ours.
    ticker: str = ""
    asset_class: str = ""
    currency: str = ""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: str = ""
    described: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFacts:
    """One fill. `execution_id` ends in a revision (".01"); the highest revision wins. `currency` is "" where the broker does
    not name it: then it is the contract's."""

    account_id: str
    execution_id: str
    reference: str | None
    broker_order_id: str | None
    conid: int
    ticker: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    currency: str
    exchange: str
    executed_at: datetime
    # What it is in: needed of fills whose order nobody knows.
    asset_class: str = ""
    # What changed hands, by the broker's word; None where it did not say.
    money: Decimal | None = None

    def price_at(self, multiplier: Decimal) -> Decimal:
        """The fill's price in the units of its contract, of which one is worth `multiplier` of its currency (a hundredth of a
        pound where charts are in pence), also where the broker reports fills in the currency. Without its money a fill is in the contract's units: that is what IBKR's
        documentation says of `priceMagnifier`."""
        if multiplier >= 1 or not self.money or not self.quantity or not self.price:
            return self.price
        return (
            self.price / multiplier if _in_currency(self.money, self.quantity * self.price, multiplier) else self.price
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One order of a submission: what we want, our reference (IBKR's cOID) and the contract it is in.

    `in_group`: the orders of the submission cancel one another.
    """

    intent: OrderIntent
    reference: str
    contract: Contract
    parent_reference: str | None = None
    in_group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    reference: str | None
    broker_order_id: str
    status: OrderStatus
    text: str = ""
    code: str = ""
    # Why the broker keeps it back, where it may still fill.
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    acks: tuple[Ack, ...]
    raw: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """IBKR asks before it places the order; nothing is placed until `reply` says yes."""

    question_id: str
    message_ids: tuple[str, ...]
    text: str
    raw: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """IBKR asks with a list of options. The order may exist already; only its list of orders tells."""

    broker_order_id: str
    request_id: str
    message_id: str
    text: str
    options: tuple[str, ...]
    raw: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """IBKR said no: nothing was placed. `code` names the reason and never changes."""

    reason: str
    code: str = ""
    raw: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartlyAccepted:
    """Some legs are live, some failed: the position may be unprotected."""

    acks: tuple[Ack, ...]
    failures: tuple[Ack, ...]
    raw: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyRegistered:
    """IBKR has seen this reference before: an earlier request did arrive. Reconcile and adopt it."""

    raw: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Provably nothing reached the broker (connection refused, session missing, told to wait).

    `pause` is why nothing more leaves for now, where that is so. `kept_back`: Halyard itself did not send it, for a reason
    that says nothing of the session or of what leaves next.
    """

    reason: str
    code: str = "ibkr-unavailable"
    session_lost: bool = False
    retry_after: float | None = None
    pause: Paused | None = None
    kept_back: bool = False
    raw: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """The request may or may not have arrived. Never send it again; reconcile by reference."""

    reason: str
    code: str = "answer-lost"
    raw: Any = None


class Gate(Protocol):
    """Whether a write may still leave once the pace gives it its turn: what was true when it was taken may not be by then."""

    async def look(self) -> None:
        """Find out what has come meanwhile; asked now and then while the write waits for its turn."""
        ...

    def shut(self) -> NotSent | None:
        """Why it may not leave any more, None while it may; asked last before its first byte leaves."""
        ...


SubmissionOutcome = Accepted | Question | Prompt | Refused | PartlyAccepted | AlreadyRegistered | NotSent | Ambiguous


@dataclass(frozen=True, slots=True)
class OrdersReply:
    """`complete` is False for IBKR's first, lying read of a session: it means "ask again", never "no orders"."""

    orders: list[OrderFacts]
    complete: bool


class Brokerage(Protocol):
    """One signed-in IBKR user. Reads raise the four errors above; `submit`, `modify` and `reply` answer with an outcome.

    Reads may be retried by the caller; writes are tried once by the adapter and never repeated by it.
    """

    @property
    def chains(self) -> ChainMemory: ...
    async def session(self) -> AuthStatus: ...
    async def open_session(self, *, compete: bool = True, form: bool = False) -> AuthStatus: ...
    async def tickle(self) -> AuthStatus: ...
    async def sign_in(self) -> SignIn: ...
    async def accounts(self) -> list[AccountFacts]: ...
    async def contract(self, instrument: Instrument, chosen: int | None = None) -> Contract: ...
    async def quote(self, contract: Contract) -> Quote | None: ...
    async def borrow(self, contract: Contract) -> Borrow | None: ...
    async def rate(self, source: str, target: str) -> Decimal | None: ...
    async def rules(self, contract: Contract) -> ContractTerms: ...
    async def hours(self, contract: Contract) -> TradingHours | None: ...
    async def summary(self, account_id: str) -> AccountSummary: ...
    async def preview(self, account_id: str, leg: Leg) -> OrderPreview: ...
    async def submit(self, account_id: str, legs: Sequence[Leg]) -> SubmissionOutcome: ...
    async def suppress(self, message_ids: Sequence[str]) -> str: ...
    async def ask_everything(self) -> str: ...
    async def reply(self, question: Question, *, confirmed: bool) -> SubmissionOutcome: ...
    async def choose(self, prompt: Prompt, option: str) -> Ambiguous: ...
    async def modify(self, account_id: str, broker_order_id: str, leg: Leg) -> SubmissionOutcome: ...
    async def cancel(self, account_id: str, broker_order_id: str) -> None: ...
    async def orders(self, account_id: str) -> OrdersReply: ...
    async def executions(self, account_id: str, *, days: int = USUAL_DAYS) -> list[ExecutionFacts]: ...
    async def positions(self, account_id: str) -> list[PositionFacts]: ...
    async def groups(self) -> Shown: ...
    async def save_group(self, group: Group, *, new: bool) -> None: ...
    async def remove_group(self, group_name: str) -> None: ...
    def pause(self, *, canceling: bool = False) -> Paused | None: ...
    async def close(self) -> None: ...


# How the edges open one; the activities that use it never know which broker stands behind.
OpenBrokerage = Callable[[Login], Brokerage]
