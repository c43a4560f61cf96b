"""What a subscription makes of a message: the one way to `decide`, for signals and for rehearsals of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from brokers.book.live_book import Book, NotYet, Unknown, View
from brokers.domain.orders import Instrument, OrderIntent, Role
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount
from strategies import usage
from strategies.deciding.ownership import Ownership
from strategies.domain.decide.decide import decide
from strategies.domain.decide.guards import NO_GUARDS, Guards
from strategies.domain.decide.unsettled import outcomes
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Message
from strategies.domain.message.symbols import WORDS
from strategies.domain.plan import prerequisites
from strategies.domain.plan.plan import Plan, Rejection, Terms
from strategies.models import Decision


@dataclass(frozen=True, slots=True)
class Answered:
    """What a subscription makes of a message, and the view it was decided by where there was one.

    `wants_quote`: it waits for a fresh quote, which somebody has to ask for.
    """

    answer: Plan | Rejection | NotYet
    view: View | None = None
    wants_quote: bool = False


def answer(
    message: Message,
    terms: Terms,
    account: BrokerageAccount,
    book: Book,
    ownership: Ownership,
    now: datetime,
    *,
    received_at: datetime,
    freshness: Freshness | None,
    owner: int,
    guards: Guards = NO_GUARDS,
    patient: bool = True,
    known: usage.Known | None = None,
) -> Answered:
    """A plan, a rejection, or what has to be waited for. It writes nothing. `owner`: the subscription's key.

    `patient`: wait for a quote or a rate that could change the answer; without, the answer is by what is at hand.
    """
    if message.instrument is None:
        one, many, _ = WORDS[message.symbol.kind]
        reason = f"{message.symbol.name} is {one}, and Halyard does not trade {many} at IBKR. Nothing was ordered."
        return Answered(Rejection(rule="B02", code="asset-class-not-traded", reason=reason))
    view = book.view(account, message.instrument)
    if isinstance(view, NotYet):
        return Answered(view)
    if isinstance(view, Unknown):
        return Answered(Rejection(rule="B01", code="unknown-symbol", reason=view.reason))
    seen = usage.counted(
        ownership.seen_by(owner, view.snapshot),
        terms,
        subscription_pk=owner,
        account=account,
        just_now=ownership.entries[owner],
        now=now,
        known=known,
    )
    if message.sentiment == "flat" and message.signal_time is not None:
        seen = replace(seen, opened_at=_opened_at(account, seen))
    views = [
        (settled, snapshot)
        for settled in replace(view, snapshot=seen).alternatives
        for snapshot in outcomes(settled, now)
    ]
    answers = [
        decide(message, terms, snapshot, now, received_at=received_at, freshness=freshness, guards=guards)
        for _, snapshot in views
    ]
    if len({_essence(each) for each in answers}) > 1:
        return Answered(NotYet(waiting_for=_what_settles(views)))
    found = answers[0]
    if patient and (rate := view.missing_rate) is not None and prerequisites.rate_needed(found):
        return Answered(rate)
    if (
        patient
        and prerequisites.quote_needed(message, terms, found)
        and _is_worth_waiting(book, account, message.instrument)
    ):
        return Answered(NotYet(waiting_for=f"a fresh quote of {message.instrument}"), wants_quote=True)
    return Answered(found, replace(view, snapshot=views[0][1]))


def _is_worth_waiting(book: Book, account: BrokerageAccount, instrument: Instrument) -> bool:
    """Whether a fresh quote is missing and may come: nobody has asked for it yet, or a moment ago."""
    if book.has_fresh_quote(account, instrument) or book.shows_no_quote(account, instrument):
        return False
    lookup = book.lookup(account, instrument)
    assert lookup is not None, "there is a view of it"
    return lookup.quote_wanted_at is None or book.quote_is_coming(account, instrument)


def _what_settles(views: list[tuple[Snapshot, Snapshot]]) -> str:
    """What the answer depends on: how orders before it end, or whether the position contains their fills yet."""
    if any(settled is not snapshot for settled, snapshot in views):
        return "the order before it to settle"
    return "the position after the last fill"


def _opened_at(account: BrokerageAccount, snapshot: Snapshot) -> datetime | None:
    """The own time of the signal behind the last entry that filled in this instrument."""
    entries = Decision.objects.filter(
        ticket__account=account,
        ticket__orders__conid=snapshot.contract.conid,
        ticket__orders__role=str(Role.ENTRY),
        ticket__orders__filled_quantity__gt=0,
        signal__signal_time__isnull=False,
    )
    return entries.order_by("-pk").values_list("signal__signal_time", flat=True).first()


def _essence(answer: Plan | Rejection) -> object:
    """What an answer does, apart from how it says it."""
    if isinstance(answer, Plan):
        return tuple(_bare(intent) for intent in answer.intents), answer.cancels, answer.resizes
    return answer.code


def _bare(intent: OrderIntent) -> OrderIntent:
    """The order without what it is expected to cost, which hangs on what is held."""
    return replace(intent, estimated_fee=None, then=tuple(_bare(child) for child in intent.then))
