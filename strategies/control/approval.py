"""Approval: a plan waits for people, who take it, take less of it, or decline it, until it expires."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts import audit
from accounts.models import Team, User
from accounts.refusals import Refusal
from accounts.turns import in_portions, in_turn
from brokers.book.views import NotYet
from brokers.domain.sentences import all_of, cut, ended
from brokers.orders import tickets
from strategies import inputs, live
from strategies.deciding import record
from strategies.deciding.batch import ask_subscription
from strategies.deciding.desk import Desk, open_desk
from strategies.display import approvers
from strategies.domain.message.message import Message
from strategies.domain.plan.approval import does_the_same, smaller
from strategies.domain.plan.approvers import Panel, Word
from strategies.domain.plan.plan import Plan, Rejection
from strategies.inputs import Inputs
from strategies.models import Approval, Decision

PROPOSED = Decision.Status.PROPOSED
# Of what is too late at once: so much of it is looked at, in such portions, for so long.
MOST, AT_ONCE, LONGEST_SECONDS = 2_000, 25, 0.1


class ApprovalRefused(Refusal):
    """A plan is not approved, declined or changed."""


def approve(
    decision: Decision,
    *,
    actor: User | None,
    quantity: Decimal | None = None,
    address: str | None = None,
    now: datetime,
) -> None:
    """Send what was proposed, or less of it, decided again by the book of this moment.

    Where the team asks for two people, the first approval is kept and nothing is sent; the least that was approved counts.
    An entry lets ways out of its account pass that wait for IBKR alone, as one does that nobody is asked about.
    ApprovalRefused when it was answered or has expired, when this person's approval cannot count, when it cannot be
    decided now, or when the book has changed the plan: then the new plan is kept, to be looked at first.
    """
    refused = _approve(decision, actor, quantity, address, now)
    if refused is not None:
        raise refused


@transaction.atomic
def _approve(
    decision: Decision, actor: User | None, quantity: Decimal | None, address: str | None, now: datetime
) -> ApprovalRefused | None:
    message = Message.from_reading(decision.signal.reading)
    # The guards' lock comes before the row's, as it does where trading is stopped.
    desk = open_desk([(decision, message)], now)
    decision = _locked(decision, now)
    panel = _panel(decision)
    if (obstacle := panel.obstacle(actor.pk if actor else None)) is not None:
        return ApprovalRefused(obstacle.sentence, obstacle.code)
    assert actor is not None, "nobody is no approver"
    planned = _plan_now(decision, message, desk)
    if isinstance(planned, ApprovalRefused):
        return planned
    plan, seen = planned
    snapshot, price = seen.snapshot, message.signal_price
    if quantity is not None and isinstance(less := smaller(plan, quantity, snapshot, now, price), Rejection):
        return ApprovalRefused(less.reason, less.code)
    word = Word(person=actor.pk, name=actor.email, quantity=quantity)
    passes = desk.ways_out.turn(decision, message, plan, desk.book)
    if passes.waits_for is not None and not panel.joined_by(word).missing:
        # Before it is written down: whoever tries again approves it then.
        return _not_yet(NotYet(waiting_for=passes.waiting_for))
    panel = _write_down(decision, panel, word, actor, address, now)
    if panel.missing:
        return None
    if panel.quantity is not None:
        agreed = smaller(plan, panel.quantity, snapshot, now, price)
        assert isinstance(agreed, Plan), "each of the quantities was possible"
        plan = agreed
        decision.inputs = {**(decision.inputs or {}), "approved_quantity": str(panel.quantity)}
    until = now + timedelta(seconds=plan.time_to_live_seconds)
    draft = record.accept(decision, plan, seen, desk, until=until)
    record.add_note(decision, passes.note)
    decision.ticket = tickets.open_tickets([draft], now)[0]
    _save_answer(decision, actor, "decision.approved", now)
    return None


def _plan_now(decision: Decision, message: Message, desk: Desk) -> tuple[Plan, Inputs] | ApprovalRefused:
    """The plan by the book of this moment where it is the one that was proposed, with what was seen; else why not."""
    turn = desk.line.turn(decision, message)
    if isinstance(turn, NotYet):
        return _not_yet(turn)
    answered = ask_subscription(decision, message, desk, received_at=desk.now, freshness=None)
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
        _propose_anew(decision, plan, desk.now)
        return ApprovalRefused(
            f"The position or its orders have changed, and so has the plan: {ended(plan.reason)} Look at it and approve again.",
            "plan-changed",
        )
    return plan, answered.inputs


def _panel(decision: Decision) -> Panel:
    """Who approves, as of this moment: while the team's audit is held, its policy and members stay what they are."""
    audit.hold(decision.team)
    decision.team = Team.objects.get(pk=decision.team_id)
    return approvers.panels([decision])[decision.pk]


def _write_down(decision: Decision, panel: Panel, word: Word, actor: User, address: str | None, now: datetime) -> Panel:
    """Keep the approval, and return the panel after it."""
    if panel.has_word_of(actor.pk):
        # It counted already; the policy asks for less now.
        return panel
    Approval.objects.create(
        team=decision.team,
        decision=decision,
        approved_by=actor,
        name=actor.email,
        quantity=word.quantity,
        address=address,
        approved_at=now,
    )
    panel = panel.joined_by(word)
    if panel.missing:
        _save_first(decision, word, actor, panel.missing, now)
    return panel


def _save_first(decision: Decision, word: Word, actor: User, missing: int, now: datetime) -> None:
    """One approval of more than one: pages show it, and the audit has it."""
    quantity = "all" if word.quantity is None else str(word.quantity)
    audit.record(
        team=decision.team,
        actor=actor,
        action="decision.approval",
        subject=str(decision.code),
        after={"quantity": quantity, "missing": missing},
        now=now,
    )
    live.signal_changed(decision.signal_id, decision.team_id)


@transaction.atomic
def decline(decision: Decision, *, actor: User | None, reason: str = "", now: datetime) -> None:
    """Send nothing: one person is enough for that. ApprovalRefused when it was answered or has expired already."""
    decision = _locked(decision, now)
    why = f": {ended(reason)}" if reason.strip() else "."
    sentence = f"Declined by {actor or 'Halyard'}{why} It would have been: {ended(decision.reason)}"
    record.reject(decision, Rejection(rule="A01", code="declined", reason=sentence), now)
    _save_answer(decision, actor, "decision.declined", now)


def expire(now: datetime) -> int:
    """End proposals that nobody answered in time, team by team in turn; returns how many.

    Signals wait meanwhile, so what a flood has left is ended in portions, some of it at each look.
    """
    late = in_turn(Decision.objects.filter(status=PROPOSED, expires_at__lte=now), MOST, order="expires_at")
    return in_portions(late, lambda some: _expire(some, now), at_once=AT_ONCE, seconds=LONGEST_SECONDS)


@transaction.atomic
def _expire(keys: list[int], now: datetime) -> int:
    late = Decision.objects.filter(pk__in=keys, status=PROPOSED, expires_at__lte=now).order_by("pk")
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
    names = all_of(word.name for word in approvers.words(decision))
    nobody = f"Only {names}" if names else "Nobody"
    reason = (
        f"{nobody} approved it within {seconds} seconds, so nothing was sent. It would have been: {ended(decision.reason)} "
        "Give approvals more time in the subscription's terms if that is too short."
    )
    return Rejection(rule="A02", code="approval-expired", reason=reason)


def _not_yet(waits: NotYet) -> ApprovalRefused:
    return ApprovalRefused(f"It waits for {waits.waiting_for}. Try again in a moment.", "not-ready")


def _propose_anew(decision: Decision, plan: Plan, now: datetime) -> None:
    """Put the new plan to the approvers. What was approved before was another plan."""
    Approval.objects.filter(decision=decision, voided_at__isnull=True).update(voided_at=now)
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
