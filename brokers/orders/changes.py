"""Changes of working orders in place, at the broker: what `conversions`, `resizes` and `modifications` share.

An order's row changes only once IBKR has taken the change. A change whose answer was lost is looked up before it is
asked for again: the order itself, and a second one that the change may have left beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from django.db.models import Exists, OuterRef, Q, QuerySet

from brokers import live
from brokers.domain.brokerage import Accepted, Ack, Leg, OrderFacts, PartlyAccepted, Question, Refused
from brokers.domain.doubts.seconds import CODE
from brokers.domain.orders import Contract, OrderType
from brokers.domain.sessions import Environment
from brokers.models import Connection, ContractLookup, Execution, Order, OrderEvent, SubmissionAttempt
from brokers.models.seconds import has_two, is_doubled
from brokers.orders import vanished
from brokers.orders.execution import OUTCOME_NAMES, Answer, described, hashed, leg_of, note_answer
from brokers.orders.fills import attached
from brokers.orders.modifications import trails

MOST_ATTEMPTS = 3
MODIFY = SubmissionAttempt.Kind.MODIFY
# What IBKR made of such a change is not known: its answer was lost, or the worker that waited for it died.
IN_DOUBT = ("", "question", "ambiguous", "already_registered")
NOT_APPLIED = "not_applied"
# It left the order as it was, and another beside it: nothing is asked again, a person decides.
LEFT_A_SECOND = "left_a_second"
BOTH = "IBKR kept the order as it was and placed another beside it. Keep both, or cancel one."
PERHAPS = (
    "IBKR kept the order as it was, and something in its contract looks like the change: look at the orders placed"
    " elsewhere and the fills. Nothing is asked again."
)
# What a change was for, as its attempt keeps it: one kind of change never counts for the other.
CONVERSION, RESIZE, MODIFICATION = "conversion", "resize", "modification"
# An attempt from before this was kept was a conversion where it asked for a market order.
_CONVERSIONS = Q(request__change=CONVERSION) | Q(request__change__isnull=True, request__type=str(OrderType.MARKET))
_PURPOSES = {
    CONVERSION: _CONVERSIONS,
    MODIFICATION: Q(request__change=MODIFICATION),
    RESIZE: ~_CONVERSIONS & ~Q(request__change=MODIFICATION),
}
# Changes that may have changed the size of an order.
SIZES = ~_CONVERSIONS
# After these outcomes the change is asked for again; any other is IBKR's last word about it.
AGAIN = ("not_sent", NOT_APPLIED, *IN_DOUBT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An order to be changed, and whether it is to be looked up first: an earlier change of it is in doubt, or there are
    two of it.
    """

    order: Order
    doubtful: bool


class ChangeKind(Protocol):
    """A reason to change an order where it stands: the modules `conversions`, `resizes` and `modifications.sending`."""

    def next_change(self, connection_pk: int, now: datetime, /) -> Change | None: ...
    def doubtful(self, connection_pk: int, now: datetime, /) -> list[Order]: ...
    def begin(self, order: Order, now: datetime, /) -> tuple[int, Leg]: ...
    def finish(self, order: Order, attempt_pk: int, answer: Answer, now: datetime, /) -> None: ...
    def settle_lost(self, order: Order, facts: Sequence[OrderFacts], now: datetime, /, *, early: bool) -> bool: ...
    def is_early(self, order: Order, asked_at: datetime, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Effect:
    """What an answer makes of the order's row: `apply` the change, or `keep` the order with the reason and its code."""

    apply: Callable[[Order, datetime], None]
    keep: Callable[[Order, str, str, datetime], None]


def first_of(due: QuerySet[Order], attempts: QuerySet[SubmissionAttempt]) -> Change | None:
    """The first of these orders that may be changed; one that is to be looked up only where all are.

    `attempts` are the changes of the order of the outer query that count for it. What is in doubt of one order says
    nothing of another, and an exit may wait for the other's change.
    """
    doubtful = _in_doubt(attempts)
    rows = due.select_related("account")
    if (order := rows.exclude(doubtful).first()) is not None:
        return Change(order=order, doubtful=False)
    order = rows.filter(doubtful).first()
    return None if order is None else Change(order=order, doubtful=True)


def doubtful_of(due: QuerySet[Order], attempts: QuerySet[SubmissionAttempt]) -> list[Order]:
    """Those of these orders that are to be looked up first; `attempts` as of `first_of`."""
    return list(due.select_related("account").filter(_in_doubt(attempts)))


def _in_doubt(attempts: QuerySet[SubmissionAttempt]) -> Q:
    return Q(Exists(attempts.filter(outcome__in=IN_DOUBT))) | is_doubled()


def attempts_for(change: str) -> QuerySet[SubmissionAttempt]:
    """The attempts to change orders for one purpose."""
    return SubmissionAttempt.objects.filter(_PURPOSES[change], kind=MODIFY)


def modification_in_doubt() -> Exists:
    """Whether a modification of the order of the outer query is in doubt. All of an order is sent with each change of it, so
    that another change would undo it; it is read back first.
    """
    return Exists(attempts_for(MODIFICATION).filter(order=OuterRef("pk"), outcome__in=IN_DOUBT))


def other_in_doubt() -> Exists:
    """Whether a change that is no modification is in doubt, of the order of the outer query."""
    attempts = SubmissionAttempt.objects.filter(kind=MODIFY, order=OuterRef("pk"), outcome__in=IN_DOUBT)
    return Exists(attempts.exclude(_PURPOSES[MODIFICATION]))


def lock(order: Order) -> Order:
    """The order's row as it is now, locked until the transaction ends."""
    return Order.objects.select_for_update().get(pk=order.pk)


def current_leg(order: Order, now: datetime) -> Leg:
    """All of a working order: IBKR wants every attribute again. Of what trails, no looser than the market has left it."""
    trails.follow_market(order, now)
    lookup = ContractLookup.objects.filter(
        connection=order.connection_id, asset_class=order.asset_class, ticker=order.ticker, conid=order.conid
    ).first()
    contract = lookup.value() if lookup else Contract(instrument=order.instrument, conid=order.conid)
    leg = leg_of(order, contract)
    # IBKR has a second order under the reference of the first one.
    return leg if order.second_of is None else replace(leg, reference=order.second_of.reference)


def write_attempt(order: Order, leg: Leg, change: str, cause: str, now: datetime, *, modification: int = 0) -> int:
    """Write down that a change is about to leave, with an event that says why; returns the attempt's key.

    `modification`: the key of the one that it is for.
    """
    request = {**described(leg), "was": str(order.quantity), "change": change}
    if modification:
        request["modification"] = modification
    if (
        order.type == OrderType.TRAILING_STOP_LIMIT
        and (apart := between(order.stop_price, order.limit_price)) is not None
    ):
        request["was_apart"] = str(apart)
    attempt = SubmissionAttempt.objects.create(
        order=order, kind=MODIFY, request=request, request_hash=hashed(request), sent_at=now
    )
    OrderEvent.objects.create(order=order, old=order.status, new=order.status, cause=cause, at=now)
    return attempt.pk


def between(stop: Decimal | None, limit: Decimal | None) -> Decimal | None:
    """How far the limit lies above the stop (below it: negative); None where one of the two is not known."""
    return None if stop is None or limit is None else limit - stop


def conclude(order: Order, attempt_pk: int, answer: Answer, now: datetime, *, effect: Effect) -> None:
    """Write IBKR's answer down, and what it makes of the order; `attempt_pk` is the change's own attempt.

    What was not sent is tried again, what is in doubt looked up.
    """
    outcome = answer.outcome
    note_answer(answer.attempt_pk, outcome, now)
    # After questions the change itself carries the final word: what is left open is what is looked up.
    final = "rejected" if isinstance(outcome, Question | PartlyAccepted) else OUTCOME_NAMES[type(outcome)]
    if isinstance(outcome, Accepted) and any(_is_another(order, ack) for ack in outcome.acks):
        # IBKR took it, as an order of another number: what became of this one is looked up.
        SubmissionAttempt.objects.filter(pk=attempt_pk).update(outcome="ambiguous", answered_at=now)
        return
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


def _is_another(order: Order, ack: Ack) -> bool:
    return bool(ack.broker_order_id) and ack.broker_order_id != order.broker_order_id


def facts_about(order: Order, facts: Sequence[OrderFacts]) -> Iterator[OrderFacts]:
    """What the broker shows of this order, by its number: a second one has the same reference."""
    return (fact for fact in facts if order.broker_order_id == fact.broker_order_id)


def conclude_lost(
    locked: Order, attempts: QuerySet[SubmissionAttempt], now: datetime, *, applied: bool, effect: Effect
) -> None:
    """Settle a change whose answer was lost; `applied`: the broker shows the order changed.

    After MOST_ATTEMPTS the last attempt counts as rejected, for that is what ends the asking: see AGAIN.
    """
    if not applied and (why := _second(locked, attempts)):
        _conclude_second(locked, attempts, now, why=why, effect=effect)
        return
    outcome = "accepted" if applied else NOT_APPLIED
    attempts.filter(outcome__in=IN_DOUBT).update(outcome=outcome, answered_at=now)
    if applied:
        effect.apply(locked, now)
    elif attempts.filter(outcome=NOT_APPLIED).count() >= MOST_ATTEMPTS:
        SubmissionAttempt.objects.filter(pk=attempts.latest("pk").pk).update(outcome="rejected")
        lost = f"It was asked {MOST_ATTEMPTS} times, and its answers were lost."
        effect.keep(locked, lost, "answer-lost", now)
    live.order_changed(locked)


def is_early(order: Order, attempts: QuerySet[SubmissionAttempt], asked_at: datetime) -> bool:
    """Whether a list asked for at `asked_at` need not show yet what a change made, as it left a moment ago."""
    last = attempts.filter(outcome__in=IN_DOUBT).order_by("-pk").first()
    environment = Connection.objects.values_list("environment", flat=True).get(pk=order.connection_id)
    patience = vanished.SIMULATED if environment == Environment.SIMULATED else vanished.REAL
    return last is not None and last.sent_at > asked_at - patience.quiet


def _second(order: Order, attempts: QuerySet[SubmissionAttempt]) -> str:
    """Why the change may have left a second order, as a sentence; "" where nothing tells of one."""
    if Order.objects.filter(second_of=order, kept_both_at=None).exists():
        return BOTH
    first = attempts.filter(outcome__in=[*IN_DOUBT, NOT_APPLIED]).order_by("pk").first()
    if first is None:
        return ""
    fills = Execution.objects.filter(attached.in_contract_of(order), account=order.account_id, order=None)
    filled = fills.filter(seen_at__gte=first.sent_at, reference="").exists()
    return PERHAPS if filled or has_two(order) else ""


def _conclude_second(
    order: Order, attempts: QuerySet[SubmissionAttempt], now: datetime, *, why: str, effect: Effect
) -> None:
    """End the asking for good: one more change could make a third order."""
    last = attempts.filter(outcome__in=AGAIN).order_by("-pk").first()
    if last is not None:
        attempts.filter(outcome__in=IN_DOUBT).update(outcome=LEFT_A_SECOND, answered_at=now)
        SubmissionAttempt.objects.filter(pk=last.pk).update(outcome=LEFT_A_SECOND, answered_at=now)
    effect.keep(order, why, CODE, now)
    live.order_changed(order)
