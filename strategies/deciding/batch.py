"""A batch of decisions: loaded together, decided one by one in the order received, and their tickets opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from brokers.book import live_book, previews
from brokers.book.views import NotYet
from brokers.orders import tickets
from strategies.deciding import record, restarts, turns
from strategies.deciding.answer import Answered, Question, answer
from strategies.deciding.desk import Desk, open_desk
from strategies.domain.decide.too_late import before_the_clock_went_back
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Plan, Rejection
from strategies.models import Decision


def decide_all(decisions: Sequence[Decision], now: datetime, *, behind: bool = True) -> None:
    """Decide each, in the order received, and open the tickets of the accepted ones; the caller saves the decisions."""
    if not decisions:
        return
    messages = {decision.signal_id: Message.from_reading(decision.signal.reading) for decision in decisions}
    desk = open_desk([(decision, messages[decision.signal_id]) for decision in decisions], now, behind=behind)
    drafts: list[tuple[Decision, tickets.Draft]] = []
    for decision in decisions:
        if decision.status != Decision.Status.PENDING:
            continue
        draft = _decide_one(decision, messages[decision.signal_id], desk)
        if draft is not None:
            drafts.append((decision, draft))
    opened = tickets.open_tickets([draft for _, draft in drafts], now)
    for (decision, _), ticket in zip(drafts, opened, strict=True):
        decision.ticket = ticket
    live_book.want_quotes(desk.book, desk.unquoted, now)
    previews.want(desk.unpreviewed, now)
    live_book.withdraw_previews(desk.book, desk.hurried, now)
    batch = {id(decision) for decision in decisions}
    record.save([decision for decision in desk.overtaken if id(decision) not in batch])


def _decide_one(decision: Decision, message: Message, desk: Desk) -> tickets.Draft | None:
    signal = decision.signal
    turn = desk.line.turn(decision, message)
    if isinstance(turn, NotYet):
        record.wait(decision, message, turn.waiting_for, desk)
        if message.instrument is not None and desk.line.may_hold_up_a_way_out(decision, message):
            desk.hurried.append((decision.subscription.account, message.instrument))
        return None
    for entry in turn:
        record.reject(entry, turns.overtaken(signal.received_at), desk.now)
        desk.overtaken.append(entry)
    aged = None if signal.is_test else before_the_clock_went_back(message, signal.due_at, desk.now)
    held = aged or restarts.held(decision, message, desk)
    answered = (
        ask_subscription(decision, message, desk, received_at=signal.due_at, freshness=signal.freshness())
        if held is None
        else Answered(held)
    )
    if answered.unquoted is not None:
        desk.unquoted.append((decision.subscription.account, answered.unquoted))
    if answered.unpreviewed is not None:
        desk.unpreviewed.append(answered.unpreviewed)
    match answered.answer:
        case NotYet(waiting_for=waiting_for):
            record.wait(decision, message, waiting_for, desk)
        case Rejection() as rejection:
            record.reject(decision, rejection, desk.now)
            if not signal.is_test and not rejection.rule.startswith("T"):
                # What is refused as too late says nothing about what came meanwhile.
                record.end_proposals(decision, message, desk)
        case Plan() as plan if signal.is_test:
            record.rehearse(decision, plan, desk.now)
        case Plan() as plan if not decision.terms.value().auto_submit:
            record.propose(decision, plan, message, desk)
        case Plan() as plan:
            assert answered.inputs is not None, "there is no plan without a snapshot"
            record.end_proposals(decision, message, desk)
            return record.accept(
                decision, plan, answered.inputs, desk, until=record.expiry(_begin(decision, message), message, plan)
            )
    return None


def _begin(decision: Decision, message: Message) -> datetime:
    """From when on the life of an order counts: from the signal, or from the end of the restart it came into."""
    night = restarts.night_of(decision, message)
    return decision.signal.due_at if night is None else max(night.ends, decision.signal.due_at)


def ask_subscription(
    decision: Decision, message: Message, desk: Desk, *, received_at: datetime, freshness: Freshness | None
) -> Answered:
    """What the decision's subscription makes of the message by its own version of the terms; the inputs are kept."""
    night = restarts.night_of(decision, message)
    question = Question(
        message=message,
        subscription=decision.subscription,
        terms=decision.terms.value(),
        guards=desk.guards.of(decision.subscription),
        received_at=received_at,
        freshness=freshness,
        back_at=None if night is None else night.ends,
    )
    answered = answer(question, desk)
    if answered.inputs is not None and not isinstance(answered.answer, NotYet):
        decision.inputs = answered.inputs.to_json(answered.answer)
    return answered
