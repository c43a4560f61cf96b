"""Limit orders that become market orders: what did not fill within its time is changed in place, at the broker.

The order's row changes only once IBKR has taken the change. A change whose answer was lost is looked up before it is
asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef, QuerySet

from brokers import live
from brokers.domain.brokerage import Accepted, Leg, OrderFacts, PartlyAccepted, Question, Refused, SubmissionOutcome
from brokers.domain.orders import CHANGED_IN_PLACE, Contract, OrderStatus, OrderType
from brokers.models import ContractLookup, Order, OrderEvent, SubmissionAttempt
from brokers.orders.execution import OUTCOME_NAMES, described, hashed, leg_of, note_answer

MOST_ATTEMPTS = 3
MODIFY = SubmissionAttempt.Kind.MODIFY
# What IBKR made of such a change is not known: its answer was lost, or whoever waited for it died.
IN_DOUBT = ("", "question", "ambiguous", "already_registered")
NOT_APPLIED = "not_applied"
AGAIN = ("not_sent", NOT_APPLIED, *IN_DOUBT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An order to be changed, and whether an earlier change of it is in doubt."""

    order: Order
    doubtful: bool


def due(now: datetime) -> QuerySet[Order]:
    """Orders that worked as long as they were given, and that IBKR has not refused to change."""
    until = ExpressionWrapper(
        F("acknowledged_at") + F("convert_after") * timedelta(seconds=1), output_field=DateTimeField()
    )
    answered = SubmissionAttempt.objects.filter(order=OuterRef("pk"), kind=MODIFY).exclude(outcome__in=AGAIN)
    working: QuerySet[Order] = (
        Order.objects.filter(status__in=[str(status) for status in CHANGED_IN_PLACE], convert_after__isnull=False)
        .exclude(type=str(OrderType.MARKET))
        .exclude(broker_order_id="")
    )
    return working.alias(until=until).filter(~Exists(answered), until__lte=now, connection__enabled=True)


def next_of(connection_pk: int, now: datetime) -> Change | None:
    """The connection's next order to change."""
    order = (
        due(now).filter(connection=connection_pk).select_related("account").order_by("acknowledged_at", "pk").first()
    )
    if order is None:
        return None
    return Change(order=order, doubtful=_attempts(order).filter(outcome__in=IN_DOUBT).exists())


def _attempts(order: Order) -> QuerySet[SubmissionAttempt]:
    return SubmissionAttempt.objects.filter(order=order, kind=MODIFY)


@transaction.atomic
def begin(order: Order, now: datetime) -> tuple[int, Leg]:
    """Write down that the change is about to leave, and why; returns the attempt's key and the order as it shall be."""
    leg = _as_market(order)
    cause = f"not filled within {order.convert_after} seconds{_at_its_limit(order)}; IBKR is asked to make it a market order"
    attempt_pk = written_down(order, leg, cause, now)
    live.order_changed(order)
    return attempt_pk, leg


def written_down(order: Order, leg: Leg, cause: str, now: datetime) -> int:
    """The attempt of a change that is about to leave, and the event that says why."""
    request = described(leg)
    attempt = SubmissionAttempt.objects.create(
        order=order, kind=MODIFY, request=request, request_hash=hashed(request), sent_at=now
    )
    OrderEvent.objects.create(order=order, old=order.status, new=order.status, cause=cause, at=now)
    return attempt.pk


def _at_its_limit(order: Order) -> str:
    return "" if order.limit_price is None else f" at {order.limit_price.normalize():f}"


def _as_market(order: Order) -> Leg:
    """The order with its new type. A market order knows no extended hours."""
    leg = as_it_stands(order)
    intent = replace(
        leg.intent,
        type=OrderType.MARKET,
        limit_price=None,
        stop_price=None,
        trail_amount=None,
        trail_percent=None,
        outside_rth=False,
    )
    return replace(leg, intent=intent)


def as_it_stands(order: Order) -> Leg:
    """All of a working order: IBKR wants every attribute again."""
    lookup = ContractLookup.objects.filter(
        connection=order.connection_id, asset_class=order.asset_class, ticker=order.ticker, conid=order.conid
    ).first()
    contract = lookup.value() if lookup else Contract(instrument=order.instrument, conid=order.conid)
    return leg_of(order, contract)


@transaction.atomic
def finish(order: Order, attempt_pk: int, outcome: SubmissionOutcome, now: datetime, *, last: int) -> None:
    """Write down what IBKR made of the change, `last` being the attempt that its last answer is about."""
    conclude(order, attempt_pk, outcome, now, last=last, changed=_is_market, kept=_stays)


def conclude(
    order: Order,
    attempt_pk: int,
    outcome: SubmissionOutcome,
    now: datetime,
    *,
    last: int,
    changed: Callable[[Order, datetime], None],
    kept: Callable[[Order, str, datetime], None],
) -> None:
    """Write an answer down, and what it makes of the order. What was not sent is tried again, what is in doubt looked up."""
    note_answer(last, outcome, now)
    # After questions the change itself carries the final word: what is left open is what is looked up.
    final = "rejected" if isinstance(outcome, Question | PartlyAccepted) else OUTCOME_NAMES[type(outcome)]
    SubmissionAttempt.objects.filter(pk=attempt_pk).update(outcome=final, answered_at=now)
    fresh = Order.objects.select_for_update().get(pk=order.pk)
    match outcome:
        case Accepted():
            changed(fresh, now)
        case Refused(reason=reason):
            kept(fresh, reason, now)
        case PartlyAccepted() | Question():
            kept(fresh, "IBKR kept asking.", now)
    live.order_changed(fresh)


def _is_market(order: Order, now: datetime) -> None:
    """It is a market order now, at IBKR and here; a fill may have overtaken the answer."""
    reason = f"Changed to a market order: it was not filled within {order.convert_after} seconds{_at_its_limit(order)}."
    values = {
        "type": str(OrderType.MARKET),
        "limit_price": None,
        "stop_price": None,
        "trail_amount": None,
        "trail_percent": None,
        "outside_rth": False,
        "reason": reason,
    }
    status = OrderStatus(order.status)
    if status in CHANGED_IN_PLACE:
        Order.objects.move(order, status, now=now, cause="IBKR has made it a market order", **values)
    else:
        Order.objects.filter(pk=order.pk).update(**values)


def _stays(order: Order, why: str, now: datetime) -> None:
    """Kept as it is, and said so; an order that has ended meanwhile needs no word about it."""
    status = OrderStatus(order.status)
    if status not in CHANGED_IN_PLACE:
        return
    kind = order.type.replace("_", " ")
    reason = f"Kept as a {kind} order: IBKR did not make it a market order. {why}"[:400]
    Order.objects.move(order, status, now=now, cause=reason, reason=reason)


@transaction.atomic
def looked_up(order: Order, shown: Sequence[OrderFacts], now: datetime) -> bool:
    """Settle a change whose answer was lost by what the broker shows of the order. False when it shows nothing yet."""
    fresh = Order.objects.select_for_update().get(pk=order.pk)
    ours = (
        fact for fact in shown if fact.reference == fresh.reference or fact.broker_order_id == fresh.broker_order_id
    )
    fact = next((each for each in ours if each.type is not None), None)
    if fact is None:
        return False
    applied = fact.type is OrderType.MARKET
    _attempts(fresh).filter(outcome__in=IN_DOUBT).update(
        outcome="accepted" if applied else NOT_APPLIED, answered_at=now
    )
    if applied:
        _is_market(fresh, now)
    elif _attempts(fresh).filter(outcome=NOT_APPLIED).count() >= MOST_ATTEMPTS:
        last = _attempts(fresh).latest("pk")
        SubmissionAttempt.objects.filter(pk=last.pk).update(outcome="rejected")
        _stays(fresh, f"It was asked {MOST_ATTEMPTS} times, and its answers were lost.", now)
    live.order_changed(fresh)
    return True
