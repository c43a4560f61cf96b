"""What a subscription makes of a message: the one way to `decide`, for signals and for rehearsals of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from brokers.book import previews
from brokers.book.live_book import Book
from brokers.book.views import NotYet, Unknown, View
from brokers.domain.orders import Instrument, OrderIntent
from brokers.domain.snapshot import Snapshot
from brokers.models import BrokerageAccount
from strategies import usage
from strategies.deciding import rolled, scanned
from strategies.deciding.advisors import groups
from strategies.deciding.desk import Desk
from strategies.domain.decide.guards import Guards
from strategies.domain.decide.unsettled import outcomes
from strategies.domain.message.freshness import Freshness, may_close
from strategies.domain.message.message import Action, Message
from strategies.domain.message.symbols import why_untraded
from strategies.domain.plan import prerequisites
from strategies.domain.plan.plan import Plan, Rejection, Terms
from strategies.inputs import Inputs
from strategies.models import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A message put to one subscription. `freshness` is None where the message's own time does not matter."""

    message: Message
    subscription: Subscription
    terms: Terms
    guards: Guards
    received_at: datetime
    freshness: Freshness | None
    # When IBKR was back from the restart that the message came into.
    back_at: datetime | None = None

    def inputs(self, snapshot: Snapshot, now: datetime) -> Inputs:
        return Inputs(
            message=self.message,
            terms=self.terms,
            snapshot=snapshot,
            now=now,
            received_at=self.received_at,
            freshness=self.freshness,
            guards=self.guards,
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer, and the inputs it was decided by where there was a snapshot.

    `unquoted`: what the decision waits for a fresh quote of, and `unpreviewed`: the order whose preview it waits for;
    the caller has to ask for them. `sold_short`: the share that the plan sells short; the caller asks whether it can be
    borrowed, and nothing waits for that.
    """

    answer: Plan | Rejection | NotYet
    inputs: Inputs | None = None
    unquoted: Instrument | None = None
    unpreviewed: previews.Question | None = None
    sold_short: Instrument | None = None


def answer(question: Question, desk: Desk, *, patient: bool = True) -> Answered:
    """A plan, a rejection, or what has to be waited for. It writes nothing.

    `patient`: wait for a quote or a rate that could change the answer; otherwise decide without it.
    """
    meant = scanned.resolved(question.message, question.subscription.account, desk.book, question.terms)
    if not isinstance(meant, scanned.Resolved):
        return Answered(meant)
    if meant.message is not question.message:
        terms = replace(question.terms, invert_puts=False) if meant.by_direction else question.terms
        question = replace(question, message=meant.message, terms=terms)
    found = _meant(question, desk)
    if isinstance(found, Rejection):
        return Answered(found)
    question, instrument = found
    view = _view(question, instrument, desk)
    if not isinstance(view, View):
        return Answered(view)
    snapshots = _possible_snapshots(view, desk.now)
    if view.snapshot.group is not None and len(snapshots) > 1:
        # What may move is in one account or another: plans that agree on the sum need not agree on who sells.
        return Answered(NotYet(waiting_for=f"the orders of {view.snapshot.group.name} to settle"))
    possible = [question.inputs(snapshot, desk.now) for snapshot, _ in snapshots]
    answers = [inputs.decide() for inputs in possible]
    if len({_essence(each) for each in answers}) > 1:
        depends_on_orders = any(pending for _, pending in snapshots)
        settles = "the order before it to settle" if depends_on_orders else "the position after the last fill"
        return Answered(NotYet(waiting_for=settles, on_its_way=not depends_on_orders))
    chosen = answers[0]
    if (held := groups.held_back(question.subscription, chosen, desk.casts)) is not None:
        return Answered(held)
    if (orders := view.missing_orders) is not None and prerequisites.is_entry(chosen):
        return Answered(orders)
    if patient:
        if (rate := view.missing_rate) is not None and prerequisites.rate_needed(chosen):
            return Answered(rate)
        instrument = view.snapshot.contract.instrument
        if prerequisites.quote_needed(question.message, question.terms, chosen) and _may_get_quote(
            desk.book, question.subscription.account, instrument
        ):
            return Answered(NotYet(waiting_for=f"a fresh quote of {instrument}", on_its_way=True), unquoted=instrument)
        if (order := _worth_a_preview(chosen, question, view, desk)) is not None:
            return Answered(NotYet(waiting_for=f"IBKR's preview of the margin of {instrument}"), unpreviewed=order)
    sold_short = view.snapshot.contract.instrument if prerequisites.is_short_sale(chosen) else None
    return Answered(chosen, replace(possible[0], unsettled=view.unsettled), sold_short=sold_short)


def _instrument(question: Question, desk: Desk) -> Instrument | Rejection:
    """The contract that the message means in this subscription's account."""
    message, subscription = question.message, question.subscription
    if message.instrument is None:
        reason = f"{why_untraded(message.symbol)} Nothing was ordered."
        return Rejection(rule="B02", code="asset-class-not-traded", reason=reason)
    return rolled.instrument_meant(
        message,
        subscription.account,
        desk.book,
        members=groups.members_of(subscription, desk.casts),
        invert_puts=question.terms.invert_puts,
    )


def _meant(question: Question, desk: Desk) -> tuple[Question, Instrument] | Rejection:
    """The contract that the message means, and the question with its message in contracts of that."""
    instrument = _instrument(question, desk)
    if isinstance(instrument, Rejection):
        return instrument
    members = groups.members_of(question.subscription, desk.casts)
    accounts = [question.subscription.account_id, *(each.pk for each in members)]
    message = rolled.in_contracts_of_now(question.message, instrument, accounts, desk.book)
    if isinstance(message, Rejection):
        return message
    return question if message is question.message else replace(question, message=message), instrument


def _view(question: Question, instrument: Instrument, desk: Desk) -> View | NotYet | Rejection:
    """The book as this subscription sees it, with the figures its limits ask for."""
    message, subscription = question.message, question.subscription
    view = groups.view(subscription, instrument, desk.book, desk.casts)
    if isinstance(view, NotYet):
        return view
    if isinstance(view, Unknown):
        return Rejection(rule="B01", code=view.code, reason=view.reason)
    snapshot = usage.counted(
        desk.ownership.seen_by(subscription.pk, rolled.beside(view.snapshot, subscription.account, desk.book)),
        question.terms,
        subscription,
        planned=desk.ownership.entries[subscription.pk],
        figures=desk.guards,
    )
    snapshot = replace(snapshot, back_at=question.back_at)
    if message.action is Action.MODIFY:
        snapshot = desk.ownership.as_coming(snapshot)
    if message.entry_id is not None:
        carrier = None if subscription.group_id is None else subscription.account_id
        snapshot = replace(snapshot, of_entry=desk.ownership.of_entry(message.entry_id, snapshot, carrier))
    if not may_close(message) or message.signal_time is None:
        return replace(view, snapshot=snapshot)
    opened_at = desk.openings.opened_at(subscription.account_id, snapshot)
    return replace(view, snapshot=replace(snapshot, opened_at=opened_at))


def _possible_snapshots(view: View, now: datetime) -> list[tuple[Snapshot, bool]]:
    """Every snapshot that may turn out true; True beside it where orders on their way were taken to their end."""
    return [(snapshot, snapshot is not settled) for settled in view.alternatives for snapshot in outcomes(settled, now)]


def _may_get_quote(book: Book, account: BrokerageAccount, instrument: Instrument) -> bool:
    """Whether a fresh quote is missing and may come: nobody has asked for it yet, or only a moment ago."""
    if book.has_fresh_quote(account, instrument) or book.shows_no_quote(account, instrument):
        return False
    lookup = book.lookup(account, instrument)
    assert lookup is not None, "there is a view of it"
    return lookup.quote_wanted_at is None or book.quote_is_coming(account, instrument)


def _worth_a_preview(answer: Plan | Rejection, question: Question, view: View, desk: Desk) -> previews.Question | None:
    """The order to ask IBKR's preview of, where its margin is not certain and IBKR may still tell."""
    order = prerequisites.preview_needed(answer)
    account, conid = question.subscription.account, view.snapshot.contract.conid
    if order is None or not _has_time(question, desk.now) or not desk.book.preview_may_come(account, conid, order.side):
        return None
    return previews.Question(
        account_pk=account.pk,
        connection_pk=account.connection_id,
        conid=conid,
        side=order.side,
        quantity=order.quantity,
    )


def _has_time(question: Question, now: datetime) -> bool:
    """Whether the signal is young enough to wait for a preview and still be in time for its entry."""
    end = question.received_at + timedelta(seconds=question.terms.entry_time_to_live_seconds)
    if question.message.expires_at is not None:
        end = min(end, question.message.expires_at)
    return end - now > previews.WAITED_FOR + timedelta(seconds=1)


def _essence(answer: Plan | Rejection) -> object:
    """What an answer does, apart from its sentence."""
    if isinstance(answer, Plan):
        return (
            tuple(_without_fees(intent) for intent in answer.intents),
            answer.cancels,
            answer.resizes,
            answer.modifications,
        )
    return answer.code


def _without_fees(intent: OrderIntent) -> OrderIntent:
    """The order without its expected fee, which depends on the position."""
    return replace(intent, estimated_fee=None, then=tuple(_without_fees(child) for child in intent.then))
