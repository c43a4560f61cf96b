"""A dry run of a message: read, guarded and decided as a signal that came now; nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from brokers.book.live_book import Book
from brokers.book.views import NotYet
from brokers.domain.orders import OrderIntent, Resize
from strategies.deciding import scanned, superseded
from strategies.deciding.answer import Question
from strategies.deciding.answer import answer as answer_question
from strategies.deciding.desk import Desk, rehearsal_desk
from strategies.display.order_sheets import OrderSheet, order_sheets
from strategies.display.plans import how
from strategies.domain.message.freshness import Freshness, SetAside
from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.domain.numbers import plain
from strategies.domain.plan.estimate import Estimate
from strategies.domain.plan.option_meant import with_defaults
from strategies.domain.plan.plan import Plan, Rejection
from strategies.models import Strategy, Subscription
from strategies.reading.corrections import Correction, corrected
from strategies.reading.warnings import sentence
from strategies.rehearsal.symbol_check import SymbolCheck, symbol_check
from strategies.webhook.delivery import Accepted, Context, Delivery
from strategies.webhook.senders import SenderRules

NOBODY = UUID(int=0)
# A page looks again by itself while an answer is on its way; after these times its reader has to ask.
MOST_LOOKS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One order of a plan, in words. `depth`: how many parents it hangs under."""

    role: str
    side: str
    quantity: Decimal
    ticker: str
    how: str
    estimate: str = ""
    depth: int = 0

    @property
    def words(self) -> str:
        """The order in one line, for comparing it with another."""
        return f"{self.side} {plain(self.quantity)} {self.ticker} {self.how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one subscription makes of the message. `status` is a decision's, or "off" where its terms were never set.

    `sheets` show the same `orders` at length, `symbol` what IBKR knows of their instrument.
    """

    subscription: Subscription
    status: str
    reason: str
    rule: str = ""
    code: str = ""
    symbol: SymbolCheck | None = None
    orders: tuple[OrderLine, ...] = ()
    sheets: tuple[OrderSheet, ...] = ()
    cancels: tuple[str, ...] = ()
    resizes: tuple[Resize, ...] = ()
    # It waits for IBKR's word on the contract, and nobody has asked for it.
    unasked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The whole answer. Either `refused`, or a message with its reading."""

    strategy: Strategy
    text: str
    at: datetime
    refused: Refused | None = None
    correction: Correction | None = None
    message: Message | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    set_aside: SetAside | None = None
    answers: tuple[Answer, ...] = ()

    @property
    def waits(self) -> bool:
        """True while an answer may come by itself in a moment."""
        return any(answer.status == "pending" and not answer.unasked for answer in self.answers)

    @property
    def unasked(self) -> bool:
        """True when IBKR would have to be asked first."""
        return any(answer.unasked for answer in self.answers)


def rehearse(
    strategy: Strategy, body: bytes, now: datetime, *, ask: bool, followers: Sequence[Subscription] | None = None
) -> Rehearsal:
    """Read a body under the strategy's settings of this moment and let every subscription decide on it.

    `ask`: put the question to IBKR when a contract was never looked up; without it nothing at all is written.
    `followers`: decide for these in place of the strategy's subscriptions; none of them needs a row.
    """
    text = body.decode("utf-8", "replace")
    context = _context(strategy)
    delivery = Delivery(endpoint=NOBODY, authorised=True, received_at=now, body=body)
    delivery.read(context)
    verdict = delivery.verdict
    kind, allowed = context.kind, context.allowed_tickers
    correction = corrected(text, kind=kind, allowed_tickers=allowed, now=now)
    if not isinstance(verdict, Accepted):
        return Rehearsal(strategy=strategy, text=text, at=now, refused=verdict, correction=correction)
    aside = verdict.set_aside or _superseded(strategy, verdict.message)
    return Rehearsal(
        strategy=strategy,
        text=text,
        at=now,
        correction=correction,
        message=verdict.message,
        reading=verdict.reading,
        warnings=tuple(sentence(code) for code in verdict.warnings),
        set_aside=aside,
        answers=_answers(
            _followers(strategy) if followers is None else followers,
            verdict.message,
            now,
            ask=ask,
            freshness=None if aside else context.freshness,
        ),
    )


def _context(strategy: Strategy) -> Context:
    """The strategy's own settings, without its limits and its rules about senders: nobody sends anything here.

    One that is switched off is read all the same; its page says that it is off.
    """
    return Context(
        version="",
        endpoint_enabled=True,
        strategy_enabled=True,
        team_closed=False,
        kind=Kind(strategy.asset_class),
        allowed_tickers=tuple(str(ticker).upper() for ticker in strategy.allowed_tickers),
        repeat_window_seconds=strategy.repeat_window_seconds,
        freshness=strategy.freshness(),
        senders=SenderRules(),
        per_minute=strategy.per_minute,
        per_hour=strategy.per_hour,
    )


def _superseded(strategy: Strategy, message: Message) -> SetAside | None:
    reason = superseded.reason_superseded(strategy, message)
    return SetAside("superseded-signal", reason) if reason else None


def _followers(strategy: Strategy) -> list[Subscription]:
    rows = strategy.subscriptions.select_related("account__connection", "terms")
    return list(rows.order_by("-enabled", "account__account_id"))


def _answers(
    subscriptions: Sequence[Subscription], message: Message, now: datetime, *, ask: bool, freshness: Freshness | None
) -> tuple[Answer, ...]:
    desk = rehearsal_desk(subscriptions, message, now, ask=ask)
    if message.signal_time is None or message.delay:
        freshness = None
    answers: list[Answer] = []
    for subscription in subscriptions:
        asked = message if subscription.terms is None else with_defaults(message, subscription.terms.value())
        symbol = symbol_check(asked, subscription.account, desk.book, now)
        answers.append(replace(_answer(subscription, message, desk, freshness), symbol=symbol))
    return tuple(answers)


def _answer(subscription: Subscription, message: Message, desk: Desk, freshness: Freshness | None) -> Answer:
    if subscription.terms is None:
        return Answer(
            subscription=subscription, status="off", reason="Its terms were never set, so it decides nothing."
        )
    question = Question(
        message=message,
        subscription=subscription,
        terms=subscription.terms.value(),
        guards=desk.guards.of(subscription),
        received_at=desk.now,
        freshness=freshness,
    )
    answer = answer_question(question, desk, patient=False).answer
    match answer:
        case NotYet() if _is_unasked(desk.book, subscription, with_defaults(message, question.terms)):
            reason = f"IBKR was never asked about {message.symbol.name}."
            return Answer(subscription=subscription, status="pending", reason=reason, unasked=True)
        case NotYet(waiting_for=waiting_for):
            return Answer(subscription=subscription, status="pending", reason=f"Waiting for {waiting_for}.")
        case Rejection():
            return Answer(
                subscription=subscription, status="rejected", rule=answer.rule, code=answer.code, reason=answer.reason
            )
        case Plan():
            return Answer(
                subscription=subscription,
                status="accepted" if subscription.terms.value().auto_submit else "proposed",
                rule=answer.rule,
                reason=answer.reason,
                orders=lines(answer.intents, answer.estimates),
                sheets=order_sheets(answer.intents, answer.estimates),
                cancels=answer.cancels,
                resizes=answer.resizes,
            )


def _is_unasked(book: Book, subscription: Subscription, message: Message) -> bool:
    named = list(scanned.instruments(message))
    return bool(named) and all(book.lookup(subscription.account, instrument) is None for instrument in named)


def lines(intents: Sequence[OrderIntent], estimates: Sequence[Estimate] = ()) -> tuple[OrderLine, ...]:
    """Every order of a plan, parents before their children, each with what it is expected to cost."""
    orders = list(_walk(intents))
    sentences = [estimate.sentence for estimate in estimates] + [""] * len(orders)
    return tuple(
        OrderLine(
            role=str(intent.role),
            side=str(intent.side),
            quantity=intent.quantity,
            ticker=intent.instrument.ticker,
            how=how(intent),
            estimate=estimate,
            depth=depth,
        )
        for (intent, depth), estimate in zip(orders, sentences, strict=False)
    )


def _walk(intents: Sequence[OrderIntent], depth: int = 0) -> Iterator[tuple[OrderIntent, int]]:
    for intent in intents:
        yield intent, depth
        yield from _walk(intent.then, depth + 1)


def due(message: Message, now: datetime) -> datetime | None:
    """When a delayed message would be handed out."""
    return now + timedelta(seconds=message.delay) if message.delay else None


def looks(text: str) -> int:
    """How often a page has looked already, as it says itself."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
