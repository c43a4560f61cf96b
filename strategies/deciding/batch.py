"""A batch of decisions: loaded together, decided one by one in the order received, and their tickets opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from brokers.book import live_book, previews
from brokers.book.views import NotYet
from brokers.orders import tickets
from brokers.postgres.beside import Beside
from strategies.deciding import lives, record, restarts, turns, ways_out
from strategies.deciding.answer import Answered, Question, answer
from strategies.deciding.desk import Desk, open_desk
from strategies.domain.decide.too_late import before_the_clock_went_back
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Plan, Rejection
from strategies.inputs import Inputs
from strategies.models import Decision, Guard

FIRST = Decision.WayOut.FIRST


def decide_all(
    decisions: Sequence[Decision],
    now: datetime,
    *,
    behind: bool = True,
    ways_out_only: bool = False,
    clock: Callable[[], datetime] | None = None,
    told: bool = True,
    guarded: Sequence[Guard] | None = None,
    beside: Beside | None = None,
) -> None:
    """Decide each, ways out first and else in the order received, and open the tickets of the accepted ones.

    `ways_out_only`: the rest stays as it is, and no longer counts among what is looked at first. `told`: the lanes of the
    tickets are; False where the caller tells them. `guarded`: as for `open_desk`. `beside`: as for
    `open_tickets`.

    The caller saves the decisions. `now` is what they are decided by. With a `clock`, rows say as their moment when they
    were written: reading the book and deciding take their time, and nothing of it was true before.
    """
    if not decisions:
        return
    # A new one that cannot be read is the caller's to set aside; one that waits may be another release's.
    read = [
        (each, Message.from_reading(each.signal.reading) if each.pk is None else turns.read_back(each))
        for each in decisions
    ]
    batch = [(decision, message) for decision, message in read if message is not None]
    desk = open_desk(batch, now, behind=behind, guarded=guarded)
    drafts: list[tuple[Decision, tickets.Draft]] = []
    first, rest = ways_out.in_turn(desk.ways_out.batch, desk.book, desk.line)
    desk.ways_out.first = {id(decision) for decision, _ in first}
    for decision, message in rest if ways_out_only else ():
        desk.ways_out.stand(decision, message, desk.book, for_ibkr=False)
    for decision, message in first if ways_out_only else first + rest:
        if decision.status != Decision.Status.PENDING:
            continue
        draft = _decide_one(decision, message, desk)
        if draft is not None:
            drafts.append((decision, draft))
    written = now if clock is None else clock()
    for decision in (*decisions, *desk.overtaken):
        if decision.decided_at == now:
            decision.decided_at = written
    opened = tickets.open_tickets([draft for _, draft in drafts], written, told=told, beside=beside)
    for (decision, _), ticket in zip(drafts, opened, strict=True):
        decision.ticket = ticket
    live_book.want_quotes(desk.book, desk.unquoted, now)
    live_book.want_borrows(desk.book, desk.sold_short, now)
    previews.want(desk.unpreviewed, now)
    live_book.withdraw_previews(desk.book, desk.hurried, now)
    own = {id(decision) for decision in decisions}
    record.save([decision for decision in desk.overtaken if id(decision) not in own])


def _decide_one(decision: Decision, message: Message, desk: Desk) -> tickets.Draft | None:
    signal = decision.signal
    turn = desk.line.turn(decision, message)
    if isinstance(turn, NotYet):
        ahead = desk.line.ahead(decision, message)
        for_ibkr = not desk.line.is_cut(decision, message) and all(each.way_out == FIRST for each, _ in ahead)
        desk.ways_out.stand(decision, message, desk.book, for_ibkr=for_ibkr)
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
    if answered.sold_short is not None:
        desk.sold_short.append((decision.subscription.account, answered.sold_short))
    if answered.unpreviewed is not None:
        desk.unpreviewed.append(answered.unpreviewed)
    match answered.answer:
        case NotYet(waiting_for=waiting_for) as wait:
            desk.ways_out.waits[id(decision)] = wait
            desk.ways_out.stand(decision, message, desk.book, for_ibkr=wait.on_its_way or held is not None)
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
            return _accept(decision, message, plan, answered.inputs, desk)
    return None


def _accept(decision: Decision, message: Message, plan: Plan, seen: Inputs, desk: Desk) -> tickets.Draft | None:
    """The ticket of a plan; None where its entry lets a way out pass."""
    turn = desk.ways_out.turn(decision, message, plan, desk.book)
    if turn.waits_for is not None:
        decision.inputs, decision.way_out = None, Decision.WayOut.NO
        record.wait(decision, message, turn.waiting_for, desk)
        return None
    record.end_proposals(decision, message, desk)
    until = record.expiry(_begin(decision, message), message, plan)
    draft = record.accept(decision, plan, seen, desk, until=until)
    record.add_note(decision, turn.note)
    return draft


def _begin(decision: Decision, message: Message) -> datetime:
    """From when on the life of an order counts: from the signal, or from the end of the restart it came into."""
    night = lives.night_of(decision, message)
    return decision.signal.due_at if night is None else max(night.ends, decision.signal.due_at)


def ask_subscription(
    decision: Decision, message: Message, desk: Desk, *, received_at: datetime, freshness: Freshness | None
) -> Answered:
    """What the decision's subscription makes of the message by its own version of the terms; the inputs are kept."""
    night = lives.night_of(decision, message)
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
