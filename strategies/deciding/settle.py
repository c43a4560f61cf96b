"""The sandwich: load, decide, save. Signals become decisions, decisions become tickets, a batch a transaction."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from brokers.book import live_book
from brokers.book.live_book import Book, NotYet, View
from brokers.domain.orders import Instrument, OrderIntent, OrderStatus, Role
from brokers.domain.snapshot import WorkingOrder
from brokers.models import BrokerageAccount, Ticket
from brokers.orders import tickets
from brokers.postgres.notices import DECIDED_CHANNEL, notify
from strategies import inputs, live
from strategies.deciding import guards, turns
from strategies.deciding.answer import Answered, answer
from strategies.deciding.ownership import Ownership
from strategies.deciding.superseded import still_wanted
from strategies.domain.message.freshness import Freshness, leaves
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Plan, Rejection
from strategies.models import Decision, Signal, Subscription

log = logging.getLogger(__name__)

BATCH = 100
# So many decisions are taken in one transaction at most, but for those of one signal.
MOST_DECISIONS = 1_000
# How often a plan is made for one signal and subscription: each time something filled that was to be canceled.
MOST_ATTEMPTS = 3
PENDING = Decision.Status.PENDING
DECIDED = [
    "status",
    "rule",
    "reason_code",
    "reason",
    "waiting_for",
    "inputs",
    "plan",
    "decided_at",
    "expires_at",
    "ticket",
]


def settle_waiting(now: datetime, *, batch: int = BATCH) -> int:
    """Take waiting signals and pending decisions one step further; returns how many were settled.

    A batch that fails is settled one by one, so that a poisonous signal stops nobody but itself.
    """
    try:
        signals, pending, unfit = _waiting(now)
        if unfit:
            _plan_again(now)
        settled = _settle_every_pending(now, batch) if pending or unfit else 0
        return settled + (_settle_signals(now, batch, behind=pending or unfit) if signals else 0)
    except Exception:
        log.exception("A batch of signals could not be settled; settling them one by one")
        return _settle_singly(now)


# Written as SQL, since every signal waits for it: one look at what is nearly always nothing but the signal itself.
WAITING = """
SELECT
  EXISTS (SELECT FROM strategies_signal WHERE dispatched_at IS NULL AND (not_before IS NULL OR not_before <= %s)),
  EXISTS (SELECT FROM strategies_decision WHERE status = 'pending'),
  EXISTS (SELECT FROM brokers_ticket WHERE unfit_at IS NOT NULL)
"""


def _waiting(now: datetime) -> tuple[bool, bool, bool]:
    """Whether signals wait, decisions that could not be taken, and plans that no longer fit."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [now])
        signals, pending, unfit = cursor.fetchone()
    return signals, pending, unfit


def _settle_singly(now: datetime) -> int:
    done = 0
    for signal_pk in list(_waiting_signals(now).values_list("pk", flat=True)[:BATCH]):
        try:
            done += _settle_signals(now, 1, only=signal_pk)
        except Exception:
            log.exception("Signal %s cannot be settled and is set aside", signal_pk)
            note = "Halyard could not read this signal back. It was not traded; its record is kept."
            Signal.objects.filter(pk=signal_pk).update(dispatched_at=now, note=note)
    for decision_pk in list(
        Decision.objects.filter(status=PENDING).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        try:
            done += _settle_pending(now, 1, only=decision_pk)[0]
        except Exception:
            log.exception("Decision %s cannot be settled and is rejected", decision_pk)
            Decision.objects.filter(pk=decision_pk, status=PENDING).update(
                status=Decision.Status.REJECTED,
                rule="X01",
                reason_code="internal-error",
                decided_at=now,
                reason="A fault in Halyard kept this signal from being decided. It was not traded.",
            )
    return done


def _waiting_signals(now: datetime) -> QuerySet[Signal]:
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    return Signal.objects.filter(due, dispatched_at__isnull=True).order_by("pk")


@transaction.atomic
def _plan_again(now: datetime) -> None:
    """Another attempt for plans that no longer fit: what they were to cancel had filled, so nothing of them was sent."""
    unfit = Decision.objects.filter(ticket__unfit_at__isnull=False, attempt__lt=MOST_ATTEMPTS)
    found = list(unfit.select_related("ticket").select_for_update(of=("self", "ticket")).order_by("pk"))
    if not found:
        return
    Decision.objects.bulk_create(
        Decision(
            team_id=each.team_id,
            signal_id=each.signal_id,
            subscription_id=each.subscription_id,
            terms_id=each.terms_id,
            attempt=each.attempt + 1,
            created_at=now,
            waiting_for="the position after what had filled",
        )
        for each in found
    )
    Ticket.objects.filter(pk__in=[each.ticket_id for each in found]).update(unfit_at=None)


@transaction.atomic
def _settle_signals(now: datetime, batch: int, only: int | None = None, *, behind: bool = True) -> int:
    """Fan signals out: one decision per enabled subscription, decided at once where the book allows it.

    `behind`: earlier decisions may wait, for the same account and instrument perhaps.
    """
    waiting = _waiting_signals(now).select_for_update(of=("self",), skip_locked=True).select_related("strategy")
    taken = list(waiting.filter(pk=only) if only is not None else waiting[:batch])
    if not taken:
        return 0
    followers = _followers(taken)
    taken = _at_once(taken, followers)
    signals = still_wanted(taken, now)
    made = [
        Decision(
            team_id=signal.team_id, signal=signal, subscription=subscription, terms=subscription.terms, created_at=now
        )
        for signal in signals
        for subscription in followers[signal.strategy_id]
    ]
    _decide_all(made, now, behind=behind)
    Decision.objects.bulk_create(made)
    Signal.objects.filter(pk__in=[signal.pk for signal in signals]).update(dispatched_at=now)
    for signal in taken:
        live.signal_changed(signal.pk, signal.team_id)
    notify(DECIDED_CHANNEL)
    return len(taken)


def _followers(signals: Sequence[Signal]) -> dict[int, list[Subscription]]:
    """The enabled subscriptions of the signals' strategies, by strategy."""
    enabled = Subscription.objects.filter(
        strategy__in={signal.strategy_id for signal in signals}, enabled=True, strategy__enabled=True
    )
    found: dict[int, list[Subscription]] = defaultdict(list)
    for subscription in enabled.select_related("account__connection", "terms").order_by("pk"):
        found[subscription.strategy_id].append(subscription)
    return found


def _at_once(signals: list[Signal], followers: dict[int, list[Subscription]]) -> list[Signal]:
    """The first signals, as many as make a transaction of a size that others can wait for."""
    count = 0
    for index, signal in enumerate(signals):
        count += len(followers[signal.strategy_id])
        if index and count > MOST_DECISIONS:
            return signals[:index]
    return signals


def _settle_every_pending(now: datetime, batch: int) -> int:
    """All of them, a batch a transaction: what cannot be decided must not stand before what can."""
    settled, after = 0, 0
    while True:
        done, after = _settle_pending(now, batch, after=after)
        settled += done
        if not after:
            return settled


@transaction.atomic
def _settle_pending(now: datetime, batch: int, *, after: int = 0, only: int | None = None) -> tuple[int, int]:
    """Decide what had to wait for a contract or a fresh book; too late is an answer too.

    How many were settled, and the key of the last one where there may be more behind it, else 0.
    """
    pending = (
        Decision.objects.filter(status=PENDING, pk__gt=after)
        .select_for_update(of=("self",), skip_locked=True)
        .select_related("signal__strategy", "subscription__account__connection", "terms")
        .order_by("pk")
    )
    decisions = list(pending.filter(pk=only) if only is not None else pending[:batch])
    if not decisions:
        return 0, 0
    before = {decision.pk: decision.waiting_for for decision in decisions}
    _decide_all(decisions, now)
    settled = [decision for decision in decisions if decision.status != PENDING]
    changed = [d for d in decisions if d.status != PENDING or d.waiting_for != before[d.pk]]
    save(changed)
    return len(settled), decisions[-1].pk if len(decisions) == batch else 0


def save(decisions: Sequence[Decision]) -> None:
    """Write down what became of decisions, and tell who looks at them."""
    if not decisions:
        return
    Decision.objects.bulk_update(decisions, DECIDED)
    notify(DECIDED_CHANNEL)
    for signal_pk, team_pk in {(decision.signal_id, decision.team_id) for decision in decisions}:
        live.signal_changed(signal_pk, team_pk)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a batch of decisions is taken with."""

    book: Book
    ownership: Ownership
    watch: guards.Watch
    line: turns.Line
    now: datetime
    # Decisions from before the batch that one of it makes pointless, and proposals of the batch itself.
    overtaken: list[Decision] = field(default_factory=list)
    proposed: dict[tuple[int, Instrument], Decision] = field(default_factory=dict)
    # Of what a fresh quote is waited for.
    unquoted: list[tuple[BrokerageAccount, Instrument]] = field(default_factory=list)


def _decide_all(decisions: Sequence[Decision], now: datetime, *, behind: bool = True) -> None:
    """Load the book once, decide each in the order received, save the tickets of the accepted ones."""
    if not decisions:
        return
    messages = {decision.signal_id: Message.from_reading(decision.signal.reading) for decision in decisions}
    desk = desk_for([(decision, messages[decision.signal_id]) for decision in decisions], now, behind=behind)
    drafts: list[tuple[Decision, tickets.Draft]] = []
    for decision in decisions:
        if decision.status != PENDING:
            continue
        draft = _decide_one(decision, messages[decision.signal_id], desk)
        if draft is not None:
            drafts.append((decision, draft))
    opened = tickets.open_tickets([draft for _, draft in drafts], now)
    for (decision, _), ticket in zip(drafts, opened, strict=True):
        decision.ticket = ticket
    live_book.want_quotes(desk.book, desk.unquoted, now)
    mine = {id(decision) for decision in decisions}
    save([decision for decision in desk.overtaken if id(decision) not in mine])


def desk_for(wanted: Sequence[tuple[Decision, Message]], now: datetime, *, behind: bool = True) -> Desk:
    """Guards first: who stops trading waits for the batches before, and those behind see the stop."""
    watch = guards.watch([decision.subscription for decision, _ in wanted], now)
    pairs = [
        (decision.subscription.account, instrument)
        for decision, message in wanted
        if (instrument := message.instrument) is not None
    ]
    line = turns.Line.before([decision for decision, _ in wanted]) if behind else turns.Line()
    book = live_book.load(pairs, now)
    return Desk(book=book, ownership=Ownership.of(book), watch=watch, line=line, now=now)


def _decide_one(decision: Decision, message: Message, desk: Desk) -> tickets.Draft | None:
    now, signal = desk.now, decision.signal
    turn = desk.line.turn(decision, message)
    if isinstance(turn, NotYet):
        _wait(decision, message, turn.waiting_for, desk)
        return None
    for entry in turn:
        reject(entry, turns.overtaken(signal.received_at), now)
        desk.overtaken.append(entry)
    found = answered(decision, message, desk, received_at=signal.due_at, freshness=signal.freshness())
    if found.wants_quote and message.instrument is not None:
        desk.unquoted.append((decision.subscription.account, message.instrument))
    match found.answer:
        case NotYet(waiting_for=waiting_for):
            _wait(decision, message, waiting_for, desk)
        case Rejection() as rejection:
            reject(decision, rejection, now)
        case Plan() as plan if signal.is_test:
            _rehearse(decision, plan, now)
        case Plan() as plan if not decision.terms.value().auto_submit:
            _propose(decision, plan, message, desk)
        case Plan() as plan:
            assert found.view is not None, "there is no plan without a view"
            until = _expires_at(signal.due_at, message, plan)
            return accept(decision, plan, message, found.view, desk, until=until)
    return None


def answered(
    decision: Decision, message: Message, desk: Desk, *, received_at: datetime, freshness: Freshness | None
) -> Answered:
    """What the decision's subscription makes of the message by its own version of the terms; what was seen is kept."""
    terms, guards = decision.terms.value(), desk.watch.guards(decision.subscription)
    found = answer(
        message,
        terms,
        decision.subscription.account,
        desk.book,
        desk.ownership,
        desk.now,
        received_at=received_at,
        freshness=freshness,
        owner=decision.subscription_id,
        guards=guards,
        known=desk.watch,
    )
    if found.view is not None and not isinstance(found.answer, NotYet):
        decision.inputs = inputs.kept(
            message,
            terms,
            found.view,
            desk.now,
            found.answer,
            received_at=received_at,
            freshness=freshness,
            guards=guards,
        )
    return found


def _rehearse(decision: Decision, plan: Plan, now: datetime) -> None:
    """Keep what would have been ordered; nothing is."""
    _note(decision, Decision.Status.REHEARSED, plan, now)
    decision.plan = inputs.plan_json(plan)


def _propose(decision: Decision, plan: Plan, message: Message, desk: Desk) -> None:
    """Keep what an approver is asked for, and until when."""
    _note(decision, Decision.Status.PROPOSED, plan, desk.now)
    decision.plan = inputs.plan_json(plan)
    end = desk.now + timedelta(seconds=decision.terms.value().approval_seconds)
    decision.expires_at = end if message.expires_at is None else min(end, message.expires_at)
    assert message.instrument is not None, "there is no plan without an instrument"
    _supersede(decision, message.instrument, desk)


def _supersede(decision: Decision, instrument: Instrument, desk: Desk) -> None:
    """The newest word of a strategy is the one to approve: an older proposal for the same instrument ends."""
    rows = Decision.objects.filter(status=Decision.Status.PROPOSED, subscription=decision.subscription)
    earlier = [
        other
        for other in rows.select_for_update(of=("self",)).select_related("signal")
        if other.pk != decision.pk and Message.from_reading(other.signal.reading).instrument == instrument
    ]
    desk.overtaken.extend(earlier)
    place = (decision.subscription_id, instrument)
    if same_batch := desk.proposed.get(place):
        earlier.append(same_batch)
    desk.proposed[place] = decision
    for other in earlier:
        reason = f"A later signal came before anybody answered. It would have been: {other.reason}"
        reject(other, Rejection(rule="A03", code="superseded-signal", reason=reason), desk.now)


def _note(decision: Decision, status: Decision.Status, plan: Plan, now: datetime) -> None:
    decision.status, decision.rule, decision.reason = status, plan.rule, plan.reason[:400]
    decision.reason_code, decision.waiting_for, decision.decided_at = "", "", now


def accept(
    decision: Decision, plan: Plan, message: Message, view: View, desk: Desk, *, until: datetime
) -> tickets.Draft:
    """Write the plan into the decision and the book; the ticket to open, whose orders may leave `until` then."""
    _note(decision, Decision.Status.ACCEPTED, plan, desk.now)
    book = desk.book
    # The plan too, not only its orders: those may be changed later, where they stand.
    decision.plan = inputs.plan_json(plan)
    account, contract = decision.subscription.account, view.snapshot.contract
    intents = tuple(tickets.named(intent) for intent in plan.intents)
    # Later decisions of this batch must see what this one is about to cancel and to send.
    book.cancel(account.pk, contract.conid, plan.cancels)
    book.resize(account.pk, contract.conid, plan.resizes)
    planned = list(_planned(decision, intents))
    for order in planned:
        book.add(account.pk, contract.conid, order)
    enters = any(order.role is Role.ENTRY for order in planned)
    desk.ownership.accept(decision, enters=enters)
    if enters:
        desk.watch.entered(decision.subscription)
    book.reserve(account.pk, sum((each.margin or Decimal(0) for each in plan.estimates), Decimal(0)))
    return tickets.Draft(
        account=account,
        key=decision.code,
        conid=contract.conid,
        currency=contract.currency,
        multiplier=contract.multiplier,
        intents=intents,
        cancels=plan.cancels,
        resizes=plan.resizes,
        known={order.reference: order.filled for order in view.snapshot.working},
        expires_at=until,
        signal_price=message.signal_price,
    )


def _expires_at(begin: datetime, message: Message, plan: Plan) -> datetime:
    end = begin + timedelta(seconds=plan.time_to_live_seconds)
    return end if message.expires_at is None else min(end, message.expires_at)


def _planned(decision: Decision, intents: Sequence[OrderIntent], parent: str = "") -> Iterator[WorkingOrder]:
    for intent in intents:
        yield WorkingOrder(
            reference=intent.reference,
            role=intent.role,
            side=intent.side,
            type=intent.type,
            remaining=intent.quantity,
            status=OrderStatus.CREATED,
            limit_price=intent.limit_price,
            stop_price=intent.stop_price,
            trail_amount=intent.trail_amount,
            trail_percent=intent.trail_percent,
            time_in_force=intent.time_in_force,
            outside_rth=intent.outside_rth,
            parent=parent,
            ticket=str(decision.code),
        )
        yield from _planned(decision, intent.then, intent.reference)


def reject(decision: Decision, rejection: Rejection, now: datetime) -> None:
    """Write down why nothing is done."""
    decision.status = Decision.Status.REJECTED
    decision.rule, decision.reason_code, decision.reason = rejection.rule, rejection.code, rejection.reason[:400]
    decision.waiting_for, decision.decided_at = "", now


def _wait(decision: Decision, message: Message, waiting_for: str, desk: Desk) -> None:
    """Not now, but soon; until the signal is too old. Whether a buy is an exit is not known without a book: it waits less."""
    decision.waiting_for = waiting_for[:200]
    terms = decision.terms.value()
    life = max(terms.exit_time_to_live_seconds if leaves(message) else terms.entry_time_to_live_seconds, 1)
    if desk.now - decision.signal.due_at >= timedelta(seconds=life):
        reason = f"Not traded: {life} seconds passed while waiting for {waiting_for}. Check the connection's session."
        reject(decision, Rejection(rule="T02", code="waited-too-long", reason=reason), desk.now)
    else:
        desk.line.wait(decision, message)
