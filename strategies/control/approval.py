"""Approval: a plan waits for a person, who takes it, takes less of it, or declines it, until it expires."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts import audit
from accounts.models import User
from brokers.book.live_book import NotYet
from brokers.domain.sentences import cut, ended
from brokers.orders import tickets
from strategies import inputs
from strategies.deciding import record
from strategies.deciding.batch import ask_subscription
from strategies.deciding.desk import open_desk
from strategies.domain.message.message import Message
from strategies.domain.plan.approval import does_the_same, smaller
from strategies.domain.plan.plan import Plan, Rejection
from strategies.models import Decision

PROPOSED = Decision.Status.PROPOSED


class ApprovalRefused(ValueError):
    """The message is a sentence for people, `code` a stable word for programs."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.sentence, self.code = sentence, code


def approve(decision: Decision, *, actor: User | None, quantity: Decimal | None = None, now: datetime) -> None:
    """Send what was proposed, or less of it, decided again by the book of this moment.

    ApprovalRefused when it was answered or has expired, when it cannot be decided now, or when the book has changed
    the plan: then the new plan is kept, to be looked at first.
    """
    refused = _approve(decision, actor, quantity, now)
    if refused is not None:
        raise refused


@transaction.atomic
def _approve(decision: Decision, actor: User | None, quantity: Decimal | None, now: datetime) -> ApprovalRefused | None:
    message = Message.from_reading(decision.signal.reading)
    # The guards' lock comes before the row's, as it does where trading is stopped.
    desk = open_desk([(decision, message)], now)
    decision = _locked(decision, now)
    turn = desk.line.turn(decision, message)
    if isinstance(turn, NotYet):
        return _not_yet(turn)
    answered = ask_subscription(decision, message, desk, received_at=now, freshness=None)
    match answered.answer:
        case NotYet() as waits:
            return _not_yet(waits)
        case Rejection() as rejection:
            return ApprovalRefused(rejection.reason, rejection.code)
        case Plan() as plan:
            pass
    assert answered.inputs is not None, "there is no plan without a snapshot"
    assert decision.plan is not None, "a proposed decision has a plan"
    if not does_the_same(plan, inputs.plan_from_json(decision.plan)):
        _propose_anew(decision, plan)
        return ApprovalRefused(
            f"The position or its orders have changed, and so has the plan: {ended(plan.reason)} Look at it and approve again.",
            "plan-changed",
        )
    if quantity is not None:
        less = smaller(plan, quantity, answered.inputs.snapshot, now, message.signal_price)
        if isinstance(less, Rejection):
            return ApprovalRefused(less.reason, less.code)
        plan = less
        decision.inputs = {**(decision.inputs or {}), "approved_quantity": str(quantity)}
    until = now + timedelta(seconds=plan.time_to_live_seconds)
    draft = record.accept(decision, plan, answered.inputs, desk, until=until)
    decision.ticket = tickets.open_tickets([draft], now)[0]
    _save_answer(decision, actor, "decision.approved", now)
    return None


@transaction.atomic
def decline(decision: Decision, *, actor: User | None, reason: str = "", now: datetime) -> None:
    """Send nothing. ApprovalRefused when it was answered or has expired already."""
    decision = _locked(decision, now)
    why = f": {ended(reason)}" if reason.strip() else "."
    sentence = f"Declined by {actor or 'Halyard'}{why} It would have been: {ended(decision.reason)}"
    record.reject(decision, Rejection(rule="A01", code="declined", reason=sentence), now)
    _save_answer(decision, actor, "decision.declined", now)


@transaction.atomic
def expire(now: datetime) -> int:
    """End proposals that nobody answered in time; returns how many."""
    late = Decision.objects.filter(status=PROPOSED, expires_at__lte=now).order_by("pk")
    decisions = list(late.select_for_update(of=("self",), skip_locked=True).select_related("terms"))
    for decision in decisions:
        record.reject(decision, _expired(decision), now)
    record.save(decisions)
    return len(decisions)


def _locked(decision: Decision, now: datetime) -> Decision:
    """The decision, held still and still open for an answer."""
    rows = Decision.objects.select_related("team", "signal__strategy", "subscription__account__connection", "terms")
    locked = rows.select_for_update(of=("self",)).get(pk=decision.pk)
    if locked.status != PROPOSED:
        raise ApprovalRefused(_who_was_first(locked), "already-answered")
    assert locked.expires_at is not None
    if locked.expires_at <= now:
        raise ApprovalRefused(_expired(locked).reason, "approval-expired")
    return locked


def _who_was_first(decision: Decision) -> str:
    word = "approved" if decision.status == Decision.Status.ACCEPTED else "ended"
    if decision.reason_code == "declined":
        word = "declined"
    if decision.answered_at is None:
        return f"This was not open for approval any more: {decision.reason}"
    return f"{decision.answered_by or 'Somebody'} has {word} this at {decision.answered_at:%H:%M:%S} UTC."


def _expired(decision: Decision) -> Rejection:
    seconds = decision.terms.value().approval_seconds
    reason = (
        f"Nobody approved it within {seconds} seconds, so nothing was sent. It would have been: {ended(decision.reason)} "
        "Give approvals more time in the subscription's terms if that is too short."
    )
    return Rejection(rule="A02", code="approval-expired", reason=reason)


def _not_yet(waits: NotYet) -> ApprovalRefused:
    return ApprovalRefused(f"It waits for {waits.waiting_for}. Try again in a moment.", "not-ready")


def _propose_anew(decision: Decision, plan: Plan) -> None:
    decision.rule, decision.reason, decision.plan = plan.rule, cut(plan.reason, 400), inputs.plan_json(plan)
    record.save([decision])


def _save_answer(decision: Decision, actor: User | None, action: str, now: datetime) -> None:
    decision.answered_by, decision.answered_at = actor, now
    decision.save(update_fields=["answered_by", "answered_at"])
    record.save([decision])
    after = {"rule": decision.rule, "reason": decision.reason}
    audit.record(
        team=decision.team, actor=actor, action=action, subject=str(decision.code), before=None, after=after, now=now
    )
