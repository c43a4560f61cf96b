"""The sandwich: load, decide, save. Signals become decisions, decisions become tickets, a batch a transaction."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from brokers import snapshots, tickets
from brokers.domain.orders import OrderIntent, OrderStatus
from brokers.domain.snapshot import Snapshot, WorkingOrder
from brokers.snapshots import Book, NotYet, Unknown, View
from strategies import live
from strategies.domain.decide import decide
from strategies.domain.message import Message
from strategies.domain.plan import Plan, Rejection, Terms
from strategies.models import Decision, Signal, Subscription

log = logging.getLogger(__name__)

BATCH = 100
PENDING = Decision.Status.PENDING


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
    for signal_pk in list(_waiting_signals().values_list("pk", flat=True)[:BATCH]):
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


def _waiting_signals() -> QuerySet[Signal]:
    return Signal.objects.filter(dispatched_at__isnull=True).order_by("pk")


@transaction.atomic
def _settle_signals(now: datetime, batch: int, only: int | None = None) -> int:
    """Fan signals out: one decision per enabled subscription, decided at once where the book allows it."""
    waiting = _waiting_signals().select_for_update(skip_locked=True)
    signals = list(waiting.filter(pk=only) if only is not None else waiting[:batch])
    if not signals:
        return 0
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
    for signal in signals:
        live.signal_changed(signal.pk, signal.team_id)
    return len(signals)


@transaction.atomic
def _settle_pending(now: datetime, batch: int, only: int | None = None) -> int:
    """Decide what had to wait for a contract or a fresh book; too late is an answer too."""
    pending = (
        Decision.objects.filter(status=PENDING)
        .select_for_update(of=("self",), skip_locked=True)
        .select_related("signal", "subscription__account__connection", "terms")
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
        changed, ["status", "rule", "reason_code", "reason", "waiting_for", "inputs", "decided_at", "ticket"]
    )
    for signal_pk, team_pk in {(decision.signal_id, decision.team_id) for decision in changed}:
        live.signal_changed(signal_pk, team_pk)
    return len(settled)


def _decide_all(decisions: Sequence[Decision], now: datetime) -> None:
    """Load the book once, decide each in the order received, save the tickets of the accepted ones."""
    messages = {decision.signal_id: Message.from_reading(decision.signal.reading) for decision in decisions}
    wanted = [(d.subscription.account, messages[d.signal_id].instrument) for d in decisions]
    book = snapshots.load(wanted, now)
    drafts: list[tuple[Decision, tickets.Draft]] = []
    for decision in decisions:
        draft = _decide_one(decision, messages[decision.signal_id], book, now)
        if draft is not None:
            drafts.append((decision, draft))
    opened = tickets.open_tickets([draft for _, draft in drafts], now)
    for (decision, _), ticket in zip(drafts, opened, strict=True):
        decision.ticket = ticket


def _decide_one(decision: Decision, message: Message, book: Book, now: datetime) -> tickets.Draft | None:
    account = decision.subscription.account
    terms = decision.terms.value()
    view = book.view(account, message.instrument)
    received_at = decision.signal.received_at
    match view:
        case Unknown(reason=reason):
            _reject(decision, Rejection(rule="B01", code="unknown-symbol", reason=reason), now)
        case NotYet(waiting_for=waiting_for):
            _wait(decision, terms, waiting_for, now)
        case View():
            answers = [decide(message, terms, snapshot, now, received_at=received_at) for snapshot in view.alternatives]
            if len({_essence(answer) for answer in answers}) > 1:
                # What to do depends on whether the position already contains the last fills: ask again in a moment.
                _wait(decision, terms, "the position after the last fill", now)
                return None
            decision.inputs = _inputs(message, terms, view, now, answers[0])
            match answers[0]:
                case Rejection() as rejection:
                    _reject(decision, rejection, now)
                case Plan() as plan:
                    return _accept(decision, plan, message, view, book, now)
    return None


def _essence(answer: Plan | Rejection) -> object:
    """What an answer does, apart from how it says it."""
    return (answer.intents, answer.cancels) if isinstance(answer, Plan) else answer.code


def _accept(decision: Decision, plan: Plan, message: Message, view: View, book: Book, now: datetime) -> tickets.Draft:
    decision.status = Decision.Status.ACCEPTED
    decision.rule, decision.reason, decision.waiting_for, decision.decided_at = plan.rule, plan.reason, "", now
    account, contract = decision.subscription.account, view.snapshot.contract
    for intent in plan.intents:
        # Later decisions of this batch must see what this one is about to send.
        book.add(account.pk, contract.conid, _planned(decision, intent))
    book.reserve(account.pk, sum((each.margin or Decimal(0) for each in plan.estimates), Decimal(0)))
    return tickets.Draft(
        account=account,
        key=decision.code,
        conid=contract.conid,
        currency=contract.currency,
        multiplier=contract.multiplier,
        intents=plan.intents,
        cancels=plan.cancels,
        expires_at=decision.signal.received_at + timedelta(seconds=plan.time_to_live_seconds),
        signal_price=message.signal_price,
    )


def _planned(decision: Decision, intent: OrderIntent) -> WorkingOrder:
    return WorkingOrder(
        reference=str(decision.code), role=intent.role, side=intent.side, type=intent.type,
        remaining=intent.quantity, status=OrderStatus.CREATED,
    )  # fmt: skip


def _reject(decision: Decision, rejection: Rejection, now: datetime) -> None:
    decision.status = Decision.Status.REJECTED
    decision.rule, decision.reason_code, decision.reason = rejection.rule, rejection.code, rejection.reason[:400]
    decision.waiting_for, decision.decided_at = "", now


def _wait(decision: Decision, terms: Terms, waiting_for: str, now: datetime) -> None:
    """Not now, but soon; until the signal is too old for an entry. (Whether it is an exit is not known without a book.)"""
    decision.waiting_for = waiting_for[:200]
    life = max(terms.entry_time_to_live_seconds, 1)
    if now - decision.signal.received_at >= timedelta(seconds=life):
        reason = f"Not traded: {life} seconds passed while waiting for {waiting_for}. Check the connection's session."
        _reject(decision, Rejection(rule="T02", code="waited-too-long", reason=reason), now)


def _inputs(message: Message, terms: Terms, view: View, now: datetime, answer: Plan | Rejection) -> dict[str, Any]:
    """Everything `decide` saw, as JSON, and what it expected the orders to cost: the decision can be replayed."""
    return {
        "message": message.reading(),
        "terms": terms.to_json(),
        "snapshot": _plain(asdict(replace(view.snapshot, working=_summed(view.snapshot.working)))),
        "unsettled": str(view.unsettled),
        "now": now.isoformat(),
        "assessment": [estimate.to_json() for estimate in answer.estimates],
    }


def _summed(working: Sequence[WorkingOrder]) -> tuple[WorkingOrder, ...]:
    """Working orders of one kind as one: `decide` asks only how much of each kind works, and there can be thousands."""
    kinds: dict[tuple[object, ...], WorkingOrder] = {}
    for order in working:
        kind = (order.role, order.side, order.type, order.status)
        known = kinds.get(kind)
        kinds[kind] = replace(order, remaining=order.remaining + known.remaining) if known else order
    return tuple(kinds.values())


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
