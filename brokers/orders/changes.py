"""Changes of working orders in place, at the broker: what `conversions` and `resizes` share.

An order's row changes only once IBKR has taken the change. A change whose answer was lost is looked up before it is
asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.db.models import Q, QuerySet

from brokers import live
from brokers.domain.brokerage import Accepted, Leg, OrderFacts, PartlyAccepted, Question, Refused
from brokers.domain.orders import Contract, OrderType
from brokers.models import ContractLookup, Order, OrderEvent, SubmissionAttempt
from brokers.orders.execution import OUTCOME_NAMES, Answer, described, hashed, leg_of, note_answer

MOST_ATTEMPTS = 3
MODIFY = SubmissionAttempt.Kind.MODIFY
# What IBKR made of such a change is not known: its answer was lost, or the worker that waited for it died.
IN_DOUBT = ("", "question", "ambiguous", "already_registered")
NOT_APPLIED = "not_applied"
# What a change was for, as its attempt keeps it: one kind of change never counts for the other.
CONVERSION, RESIZE = "conversion", "resize"
# An attempt from before this was kept was a conversion where it asked for a market order.
_CONVERSIONS = Q(request__change=CONVERSION) | Q(request__change__isnull=True, request__type=str(OrderType.MARKET))
# After these outcomes the change is asked for again; any other is IBKR's last word about it.
AGAIN = ("not_sent", NOT_APPLIED, *IN_DOUBT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An order to be changed, and whether an earlier change of it is in doubt."""

    order: Order
    doubtful: bool


class ChangeKind(Protocol):
    """A reason to change an order where it stands: the modules `conversions` and `resizes`."""

    def next_change(self, connection_pk: int, now: datetime, /) -> Change | None: ...
    def begin(self, order: Order, now: datetime, /) -> tuple[int, Leg]: ...
    def finish(self, order: Order, attempt_pk: int, answer: Answer, now: datetime, /) -> None: ...
    def settle_lost(self, order: Order, facts: Sequence[OrderFacts], now: datetime, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Effect:
    """What an answer makes of the order's row: `apply` the change, or `keep` the order with the reason and its code."""

    apply: Callable[[Order, datetime], None]
    keep: Callable[[Order, str, str, datetime], None]


def first_of(due: QuerySet[Order], attempts: Callable[[Order], QuerySet[SubmissionAttempt]]) -> Change | None:
    """The first of these orders; `attempts` are the changes of an order that count for it."""
    order = due.select_related("account").first()
    return (
        None if order is None else Change(order=order, doubtful=attempts(order).filter(outcome__in=IN_DOUBT).exists())
    )


def attempts_for(change: str) -> QuerySet[SubmissionAttempt]:
    """The attempts to change orders for one purpose."""
    rows = SubmissionAttempt.objects.filter(kind=MODIFY)
    return rows.filter(_CONVERSIONS) if change == CONVERSION else rows.exclude(_CONVERSIONS)


def lock(order: Order) -> Order:
    """The order's row as it is now, locked until the transaction ends."""
    return Order.objects.select_for_update().get(pk=order.pk)


def current_leg(order: Order) -> Leg:
    """All of a working order: IBKR wants every attribute again."""
    lookup = ContractLookup.objects.filter(
        connection=order.connection_id, asset_class=order.asset_class, ticker=order.ticker, conid=order.conid
    ).first()
    contract = lookup.value() if lookup else Contract(instrument=order.instrument, conid=order.conid)
    return leg_of(order, contract)


def write_attempt(order: Order, leg: Leg, change: str, cause: str, now: datetime) -> int:
    """Write down that a change is about to leave, with an event that says why; returns the attempt's key."""
    request = {**described(leg), "was": str(order.quantity), "change": change}
    attempt = SubmissionAttempt.objects.create(
        order=order, kind=MODIFY, request=request, request_hash=hashed(request), sent_at=now
    )
    OrderEvent.objects.create(order=order, old=order.status, new=order.status, cause=cause, at=now)
    return attempt.pk


def conclude(order: Order, attempt_pk: int, answer: Answer, now: datetime, *, effect: Effect) -> None:
    """Write IBKR's answer down, and what it makes of the order; `attempt_pk` is the change's own attempt.

    What was not sent is tried again, what is in doubt looked up.
    """
    outcome = answer.outcome
    note_answer(answer.attempt_pk, outcome, now)
    # After questions the change itself carries the final word: what is left open is what is looked up.
    final = "rejected" if isinstance(outcome, Question | PartlyAccepted) else OUTCOME_NAMES[type(outcome)]
    SubmissionAttempt.objects.filter(pk=attempt_pk).update(outcome=final, answered_at=now)
    locked = lock(order)
    match outcome:
        case Accepted():
            effect.apply(locked, now)
        case Refused(reason=reason, code=code):
            effect.keep(locked, reason, code, now)
        case PartlyAccepted() | Question():
            effect.keep(locked, "IBKR kept asking.", "asked-too-often", now)
    live.order_changed(locked)


def facts_about(order: Order, facts: Sequence[OrderFacts]) -> Iterator[OrderFacts]:
    """What the broker shows of this order."""
    return (
        fact for fact in facts if order.reference == fact.reference or order.broker_order_id == fact.broker_order_id
    )


def conclude_lost(
    locked: Order, attempts: QuerySet[SubmissionAttempt], now: datetime, *, applied: bool, effect: Effect
) -> None:
    """Settle a change whose answer was lost; `applied`: the broker shows the order changed.

    After MOST_ATTEMPTS the last attempt counts as rejected, for that is what ends the asking: see AGAIN.
    """
    outcome = "accepted" if applied else NOT_APPLIED
    attempts.filter(outcome__in=IN_DOUBT).update(outcome=outcome, answered_at=now)
    if applied:
        effect.apply(locked, now)
    elif attempts.filter(outcome=NOT_APPLIED).count() >= MOST_ATTEMPTS:
        SubmissionAttempt.objects.filter(pk=attempts.latest("pk").pk).update(outcome="rejected")
        lost = f"It was asked {MOST_ATTEMPTS} times, and its answers were lost."
        effect.keep(locked, lost, "answer-lost", now)
    live.order_changed(locked)
