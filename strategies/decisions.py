"""The sandwich: load, decide, save. Signals become decisions, decisions become tickets, a batch a transaction."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import Q, QuerySet

from brokers import snapshots, tickets
from brokers.domain.orders import MAY_FILL, WORKING, Instrument, OrderIntent, OrderStatus, OrderType, Role
from brokers.domain.snapshot import Snapshot, WorkingOrder
from brokers.models import BrokerageAccount
from brokers.snapshots import Book, NotYet, Unknown, View, notify
from strategies import figures, live
from strategies.domain.decide import decide
from strategies.domain.freshness import Freshness, leaves
from strategies.domain.message import Message
from strategies.domain.plan import Plan, Rejection, Terms
from strategies.domain.symbols import WORDS
from strategies.intake import OWN_KEY
from strategies.lateness import still_wanted
from strategies.models import Decision, Signal, Subscription

log = logging.getLogger(__name__)

BATCH = 100
# Who waits for the decisions of a signal listens here.
DECIDED_CHANNEL = "halyard_decided"
PENDING = Decision.Status.PENDING
WHOLE = 20  # working orders that a decision's inputs keep one by one


def settle_waiting(now: datetime, *, batch: int = BATCH) -> int:
    """Take waiting signals and pending decisions one step further; returns how many were settled.

    A batch that fails is settled one by one, so that a poisonous signal stops nobody but itself.
    """
    try:
        return _settle_signals(now, batch) + _settle_pending(now, batch)
    except Exception:
        log.exception("A batch of signals could not be settled; settling them one by one")
        return _settle_singly(now)


def has_waiting() -> bool:
    """True while a signal waits for its fan-out or a decision for its inputs."""
    return (
        Signal.objects.filter(dispatched_at__isnull=True).exists() or Decision.objects.filter(status=PENDING).exists()
    )


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
            done += _settle_pending(now, 1, only=decision_pk)
        except Exception:
            log.exception("Decision %s cannot be settled and is rejected", decision_pk)
            Decision.objects.filter(pk=decision_pk, status=PENDING).update(
                status=Decision.Status.REJECTED, rule="X01", reason_code="internal-error", decided_at=now,
                reason="A fault in Halyard kept this signal from being decided. It was not traded.",
            )  # fmt: skip
    return done


def _waiting_signals(now: datetime) -> QuerySet[Signal]:
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    return Signal.objects.filter(due, dispatched_at__isnull=True).order_by("pk")


@transaction.atomic
def _settle_signals(now: datetime, batch: int, only: int | None = None) -> int:
    """Fan signals out: one decision per enabled subscription, decided at once where the book allows it."""
    waiting = _waiting_signals(now).select_for_update(of=("self",), skip_locked=True).select_related("strategy")
    taken = list(waiting.filter(pk=only) if only is not None else waiting[:batch])
    if not taken:
        return 0
    signals = still_wanted(taken, now)
    followers: dict[int, list[Subscription]] = defaultdict(list)
    enabled = Subscription.objects.filter(
        strategy__in={signal.strategy_id for signal in signals}, enabled=True, strategy__enabled=True
    )
    for subscription in enabled.select_related("account__connection", "terms").order_by("pk"):
        followers[subscription.strategy_id].append(subscription)
    made = [
        Decision(
            team_id=signal.team_id, signal=signal, subscription=subscription, terms=subscription.terms, created_at=now
        )
        for signal in signals
        for subscription in followers[signal.strategy_id]
    ]
    _decide_all(made, now)
    Decision.objects.bulk_create(made)
    Signal.objects.filter(pk__in=[signal.pk for signal in signals]).update(dispatched_at=now)
    for signal in taken:
        live.signal_changed(signal.pk, signal.team_id)
    notify(DECIDED_CHANNEL)
    return len(taken)


@transaction.atomic
def _settle_pending(now: datetime, batch: int, only: int | None = None) -> int:
    """Decide what had to wait for a contract or a fresh book; too late is an answer too."""
    pending = (
        Decision.objects.filter(status=PENDING)
        .select_for_update(of=("self",), skip_locked=True)
        .select_related("signal__strategy", "subscription__account__connection", "terms")
        .order_by("pk")
    )
    decisions = list(pending.filter(pk=only) if only is not None else pending[:batch])
    if not decisions:
        return 0
    before = {decision.pk: decision.waiting_for for decision in decisions}
    _decide_all(decisions, now)
    settled = [decision for decision in decisions if decision.status != PENDING]
    changed = [d for d in decisions if d.status != PENDING or d.waiting_for != before[d.pk]]
    Decision.objects.bulk_update(
        changed, ["status", "rule", "reason_code", "reason", "waiting_for", "inputs", "plan", "decided_at", "ticket"]
    )
    notify(DECIDED_CHANNEL)
    for signal_pk, team_pk in {(decision.signal_id, decision.team_id) for decision in changed}:
        live.signal_changed(signal_pk, team_pk)
    return len(settled)


def _decide_all(decisions: Sequence[Decision], now: datetime) -> None:
    """Load the book once, decide each in the order received, save the tickets of the accepted ones."""
    messages = {decision.signal_id: Message.from_reading(decision.signal.reading) for decision in decisions}
    instruments = {signal_pk: message.instrument for signal_pk, message in messages.items()}
    wanted = [
        (d.subscription.account, instrument) for d in decisions if (instrument := instruments[d.signal_id]) is not None
    ]
    book = book_for(wanted, now)
    drafts: list[tuple[Decision, tickets.Draft]] = []
    for decision in decisions:
        draft = _decide_one(decision, messages[decision.signal_id], book, now)
        if draft is not None:
            drafts.append((decision, draft))
    opened = tickets.open_tickets([draft for _, draft in drafts], now)
    for (decision, _), ticket in zip(drafts, opened, strict=True):
        decision.ticket = ticket


def book_for(wanted: Iterable[tuple[BrokerageAccount, Instrument]], now: datetime, *, ask: bool = True) -> Book:
    """The book that answers are given by, with whose the entries at work are; `ask` as in `snapshots.load`."""
    book = snapshots.load(wanted, now, ask=ask)
    _know_owners(book)
    return book


def _know_owners(book: Book) -> None:
    """Whose the entries at work are: one of another subscription is not this one's to replace."""
    entries = {int(each.ticket) for orders in book.working.values() for each in orders if each.role is Role.ENTRY}
    if entries:
        rows = Decision.objects.filter(ticket__in=entries).values_list("ticket_id", "subscription_id")
        book.owners.update({str(ticket_pk): subscription_pk for ticket_pk, subscription_pk in rows})


def _decide_one(decision: Decision, message: Message, book: Book, now: datetime) -> tickets.Draft | None:
    terms = decision.terms.value()
    signal = decision.signal
    received_at, freshness = due_at(signal), _freshness(signal)
    answered = answer(
        message, terms, decision.subscription.account, book, now, received_at=received_at, freshness=freshness,
        owner=decision.subscription_id,
    )  # fmt: skip
    if answered.view is not None and not isinstance(answered.answer, NotYet):
        decision.inputs = {
            **_inputs(message, terms, answered.view, now, answered.answer),
            "received_at": received_at.isoformat(),
            "freshness": None if freshness is None else asdict(freshness),
        }
    match answered.answer:
        case NotYet(waiting_for=waiting_for):
            _wait(decision, message, terms, waiting_for, now)
        case Rejection() as rejection:
            _reject(decision, rejection, now)
        case Plan() as plan if signal.is_test:
            _rehearse(decision, plan, now)
        case Plan() as plan:
            assert answered.view is not None, "there is no plan without a view"
            return _accept(decision, plan, message, answered.view, book, now)
    return None


@dataclass(frozen=True, slots=True)
class Answered:
    """What a subscription makes of a message, and the view it was decided by where there was one."""

    answer: Plan | Rejection | NotYet
    view: View | None = None


def answer(
    message: Message,
    terms: Terms,
    account: BrokerageAccount,
    book: Book,
    now: datetime,
    *,
    received_at: datetime,
    freshness: Freshness | None,
    owner: int,
) -> Answered:
    """The one way to `decide`, for signals and for rehearsals of them: it writes nothing. `owner`: the subscription."""
    if message.instrument is None:
        one, many, _ = WORDS[message.symbol.kind]
        reason = f"{message.symbol.name} is {one}, and Halyard does not trade {many} at IBKR. Nothing was ordered."
        return Answered(Rejection(rule="B02", code="asset-class-not-traded", reason=reason))
    view = book.view(account, message.instrument)
    if isinstance(view, NotYet):
        return Answered(view)
    if isinstance(view, Unknown):
        return Answered(Rejection(rule="B01", code="unknown-symbol", reason=view.reason))
    seen = figures.counted(
        _seen_by(owner, view.snapshot, book), terms, subscription_pk=owner, account=account,
        just_now=book.entered.get(owner, 0), now=now,
    )  # fmt: skip
    view = replace(view, snapshot=seen)
    answers = [
        decide(message, terms, snapshot, now, received_at=received_at, freshness=freshness)
        for snapshot in view.alternatives
    ]
    if len({_essence(each) for each in answers}) > 1:
        # What to do depends on whether the position already contains the last fills: ask again in a moment.
        return Answered(NotYet(waiting_for="the position after the last fill"))
    if isinstance(answers[0], Rejection) and answers[0].code == "nothing-to-exit" and _is_filling(view.snapshot):
        # Two signals in one second: the way out must find what the way in is about to open.
        return Answered(NotYet(waiting_for="the entry before it to fill"))
    return Answered(answers[0], view)


def _is_filling(snapshot: Snapshot) -> bool:
    """Whether an entry is on its way to the broker, or works there at the market."""
    return any(
        order.role is Role.ENTRY
        and order.status in MAY_FILL
        and (order.status not in WORKING or order.type is OrderType.MARKET)
        for order in snapshot.working
    )


def _seen_by(owner: int, snapshot: Snapshot, book: Book) -> Snapshot:
    """The snapshot in which the orders of others are not `mine`."""
    others = {each.ticket for each in snapshot.working if book.owners.get(each.ticket, owner) != owner}
    if not others:
        return snapshot
    working = (replace(each, mine=False) if each.ticket in others else each for each in snapshot.working)
    return replace(snapshot, working=tuple(working))


def due_at(signal: Signal) -> datetime:
    """The moment a signal's life is counted from: when it came, or when its delay was over."""
    return signal.not_before or signal.received_at


def _freshness(signal: Signal) -> Freshness | None:
    """How old the signal may be by its own time; None for one that was sent by hand or delayed on purpose."""
    if signal.signal_time is None or signal.key.startswith(OWN_KEY) or signal.not_before is not None:
        return None
    strategy = signal.strategy
    return Freshness(entry_seconds=strategy.entry_stale_seconds, exit_seconds=strategy.exit_stale_seconds)


def _rehearse(decision: Decision, plan: Plan, now: datetime) -> None:
    """Keep what would have been ordered; nothing is."""
    decision.status = Decision.Status.REHEARSED
    decision.rule, decision.reason, decision.waiting_for, decision.decided_at = plan.rule, plan.reason[:400], "", now
    decision.plan = plan_json(plan)


def plan_json(plan: Plan) -> dict[str, Any]:
    """A plan as plain JSON values: rule, reason, cancels, and the tree of intents."""
    values: dict[str, Any] = _plain(asdict(plan))
    return values


def _essence(answer: Plan | Rejection) -> object:
    """What an answer does, apart from how it says it."""
    return (answer.intents, answer.cancels) if isinstance(answer, Plan) else answer.code


def _accept(decision: Decision, plan: Plan, message: Message, view: View, book: Book, now: datetime) -> tickets.Draft:
    decision.status = Decision.Status.ACCEPTED
    decision.rule, decision.reason, decision.waiting_for, decision.decided_at = plan.rule, plan.reason[:400], "", now
    account, contract = decision.subscription.account, view.snapshot.contract
    intents = tuple(tickets.named(intent) for intent in plan.intents)
    # Later decisions of this batch must see what this one is about to cancel and to send.
    book.cancel(account.pk, contract.conid, plan.cancels)
    book.owners[str(decision.code)] = decision.subscription_id
    planned = list(_planned(decision, intents))
    for order in planned:
        book.add(account.pk, contract.conid, order)
    if any(order.role is Role.ENTRY for order in planned):
        book.entered[decision.subscription_id] = book.entered.get(decision.subscription_id, 0) + 1
    book.reserve(account.pk, sum((each.margin or Decimal(0) for each in plan.estimates), Decimal(0)))
    return tickets.Draft(
        account=account,
        key=decision.code,
        conid=contract.conid,
        currency=contract.currency,
        multiplier=contract.multiplier,
        intents=intents,
        cancels=plan.cancels,
        expires_at=_expires_at(decision.signal, message, plan),
        signal_price=message.signal_price,
    )


def _expires_at(signal: Signal, message: Message, plan: Plan) -> datetime:
    end = due_at(signal) + timedelta(seconds=plan.time_to_live_seconds)
    return end if message.expires_at is None else min(end, message.expires_at)


def _planned(decision: Decision, intents: Sequence[OrderIntent], parent: str = "") -> Iterator[WorkingOrder]:
    for intent in intents:
        yield WorkingOrder(
            reference=intent.reference, role=intent.role, side=intent.side, type=intent.type,
            remaining=intent.quantity, status=OrderStatus.CREATED, limit_price=intent.limit_price,
            stop_price=intent.stop_price, trail_amount=intent.trail_amount, trail_percent=intent.trail_percent,
            time_in_force=intent.time_in_force, outside_rth=intent.outside_rth, parent=parent, ticket=str(decision.code),
        )  # fmt: skip
        yield from _planned(decision, intent.then, intent.reference)


def _reject(decision: Decision, rejection: Rejection, now: datetime) -> None:
    decision.status = Decision.Status.REJECTED
    decision.rule, decision.reason_code, decision.reason = rejection.rule, rejection.code, rejection.reason[:400]
    decision.waiting_for, decision.decided_at = "", now


def _wait(decision: Decision, message: Message, terms: Terms, waiting_for: str, now: datetime) -> None:
    """Not now, but soon; until the signal is too old. Whether a buy is an exit is not known without a book: it waits less."""
    decision.waiting_for = waiting_for[:200]
    life = max(terms.exit_time_to_live_seconds if leaves(message) else terms.entry_time_to_live_seconds, 1)
    if now - due_at(decision.signal) >= timedelta(seconds=life):
        reason = f"Not traded: {life} seconds passed while waiting for {waiting_for}. Check the connection's session."
        _reject(decision, Rejection(rule="T02", code="waited-too-long", reason=reason), now)


def _inputs(message: Message, terms: Terms, view: View, now: datetime, answer: Plan | Rejection) -> dict[str, Any]:
    """Everything `decide` saw, as JSON, and what it expected the orders to cost: the decision can be replayed."""
    return {
        "message": message.reading(),
        "terms": terms.to_json(),
        "snapshot": _plain(asdict(_kept(view.snapshot, answer))),
        "unsettled": str(view.unsettled),
        "now": now.isoformat(),
        "assessment": [estimate.to_json() for estimate in answer.estimates],
    }


def _kept(snapshot: Snapshot, answer: Plan | Rejection) -> Snapshot:
    """The snapshot with working orders of one kind as one, unless the plan is about single ones: there can be thousands."""
    if len(snapshot.working) <= WHOLE or (isinstance(answer, Plan) and answer.cancels):
        return snapshot
    kinds: dict[tuple[object, ...], WorkingOrder] = {}
    for order in snapshot.working:
        kind = (order.role, order.side, order.type, order.status, order.mine, order.filled > 0)
        known = kinds.get(kind)
        kinds[kind] = replace(order, remaining=order.remaining + known.remaining) if known else order
    return replace(snapshot, working=tuple(kinds.values()))


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case Decimal() | StrEnum():
            return str(value)
        case datetime():
            return value.isoformat()
    return value


def snapshot_from_inputs(inputs: dict[str, Any]) -> tuple[Snapshot, datetime]:
    """The snapshot a decision saw, and its moment: with them `decide` answers again as it did then."""
    return msgspec.convert(inputs["snapshot"], Snapshot, strict=False), datetime.fromisoformat(inputs["now"])
