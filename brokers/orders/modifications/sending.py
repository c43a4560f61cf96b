"""Changes that somebody asked for leave, one at a time for each order, and their answers come home: a `ChangeKind`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from brokers.domain.brokerage import Leg, OrderFacts
from brokers.domain.contracts.changes import in_words
from brokers.domain.doubts.seconds import CODE
from brokers.domain.orders import CHANGED_IN_PLACE, OrderIntent, OrderStatus, OrderType
from brokers.models import Order, OrderChanges, OrderModification, SubmissionAttempt
from brokers.models.seconds import has_two
from brokers.orders import changes
from brokers.orders.execution import Answer
from brokers.orders.modifications import from_fill, overdue, wishes
from brokers.orders.modifications.wishes import OPEN, Status
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, notify

_PRICES = ("stop_price", "limit_price")
_TRAILS = frozenset({"trail_amount", "trail_percent"})
KEPT = "Kept as it is: IBKR did not change it."


def _in_turn() -> QuerySet[OrderModification]:
    """Changes that wait for no other to leave: an order and its legs get a new size one after the other."""
    ahead = OrderModification.objects.filter(
        order__ticket=OuterRef("order__ticket"),
        asked_at=OuterRef("asked_at"),
        pk__lt=OuterRef("pk"),
        quantity__isnull=False,
        status__in=OPEN,
    )
    return OrderModification.objects.filter(status__in=OPEN).exclude(Exists(ahead), quantity__isnull=False)


def due() -> QuerySet[Order]:
    """Orders that are to be changed and that IBKR has not answered about."""
    working = Order.objects.filter(
        pk__in=_in_turn().values("order"),
        status__in=[str(status) for status in CHANGED_IN_PLACE],
        connection__enabled=True,
    ).exclude(broker_order_id="")
    # What another change of it has come to is read first.
    return working.exclude(changes.other_in_doubt())


def open_wishes() -> QuerySet[OrderModification]:
    """Changes that are not over: their connections are those that `due` may find something in.

    Few rows by an index of their own, while all orders that work stand behind `due` until a connection is named.
    """
    return OrderModification.objects.filter(status__in=OPEN, connection__enabled=True)


def next_change(connection_pk: int, now: datetime) -> changes.Change | None:
    """The connection's next order to change; what cannot be changed any more is ended first."""
    overdue.end_due(now, connection_pk)
    while (change := changes.first_of(_of_connection(connection_pk), _of_each())) is not None:
        if change.doubtful or not from_fill.has_been_passed(change.order, now):
            break
    return change


def doubtful(connection_pk: int, now: datetime) -> list[Order]:
    """The connection's orders to change that are to be looked up first."""
    return changes.doubtful_of(_of_connection(connection_pk), _of_each())


def _of_connection(connection_pk: int) -> QuerySet[Order]:
    """In the order in which they were asked for: legs that shrink leave before the entry that they were sent with."""
    asked = OrderModification.objects.filter(order=OuterRef("pk"), status__in=OPEN).order_by("pk").values("pk")[:1]
    return due().filter(connection=connection_pk).alias(asked=Subquery(asked)).order_by("asked")


def _of_each() -> QuerySet[SubmissionAttempt]:
    """The changes that count for the order of the outer query: those of changes before are settled."""
    return changes.attempts_for(changes.MODIFICATION).filter(order=OuterRef("pk"))


def _attempts(order: Order) -> QuerySet[SubmissionAttempt]:
    """Those for the change that is on its way."""
    row = _leaving(order)
    return changes.attempts_for(changes.MODIFICATION).filter(
        order=order, request__modification=None if row is None else row.pk
    )


def _leaving(order: Order) -> OrderModification | None:
    return OrderModification.objects.filter(order=order.pk, status=Status.LEAVING).first()


@transaction.atomic
def begin(order: Order, now: datetime) -> tuple[int, Leg]:
    """Write down that the change is about to leave; returns the attempt's key and the order as it shall be."""
    locked = changes.lock(order)
    row = _leaving(locked) or _in_turn().filter(order=locked.pk).order_by("pk")[:1].get()
    if row.status == Status.WAITING:
        OrderModification.objects.filter(pk=row.pk).update(status=Status.LEAVING)
    leg = changes.current_leg(locked, now)
    leg = replace(leg, intent=_changed(leg.intent, row))
    asked = {name: getattr(leg.intent, name) for name in row.values()}
    cause = f"IBKR is asked to change it: {in_words(asked)}{from_fill.because(row)}"
    return changes.write_attempt(locked, leg, changes.MODIFICATION, cause, now, modification=row.pk), leg


def _changed(intent: OrderIntent, row: OrderModification) -> OrderIntent:
    """The order as it shall be; a new trail takes the place of either kind."""
    trails = row.trail_amount is not None or row.trail_percent is not None
    if trails and intent.type is OrderType.STOP:
        # A stop that begins to trail has no price that stands any more.
        intent = replace(intent, type=OrderType.TRAILING_STOP, stop_price=None)
    stop, limit = _prices(row, intent.type, intent.stop_price)
    return replace(
        intent,
        quantity=intent.quantity if row.quantity is None else row.quantity,
        limit_price=intent.limit_price if limit is None else limit,
        stop_price=intent.stop_price if stop is None else stop,
        trail_amount=row.trail_amount if trails else intent.trail_amount,
        trail_percent=row.trail_percent if trails else intent.trail_percent,
    )


def _prices(
    row: OrderModification, kind: OrderType | str, stop: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    """The stop and the limit of an order after a change, None for a price that stays. `stop`: where its stop is now."""
    apart = changes.between(row.stop_price, row.limit_price)
    if kind != OrderType.TRAILING_STOP_LIMIT or apart is None or stop is None:
        return row.stop_price, row.limit_price
    return stop, stop + apart


@transaction.atomic
def finish(order: Order, attempt_pk: int, answer: Answer, now: datetime) -> None:
    """Write down what IBKR made of the change that `attempt_pk` asked for."""
    request = SubmissionAttempt.objects.values_list("request", flat=True).get(pk=attempt_pk)
    row = OrderModification.objects.get(pk=request["modification"])
    changes.conclude(order, attempt_pk, answer, now, effect=_effect(row))
    _back_in_line(changes.lock(order), now)


def is_early(order: Order, asked_at: datetime) -> bool:
    """Whether a list asked for at `asked_at` need not show yet what a change made."""
    return changes.is_early(order, _attempts(order), asked_at)


@transaction.atomic
def settle_lost(order: Order, facts: Sequence[OrderFacts], now: datetime, *, early: bool = False) -> bool:
    """Settle a change whose answer was lost by what the broker shows of the order. False when it shows nothing yet.

    `early`: the list may not show all that the change made, so that only a change that was made counts.
    """
    locked = changes.lock(order)
    row = _leaving(locked)
    if row is None:
        return _settle_second(locked, now)
    for fact in changes.facts_about(locked, facts):
        applied = shows(fact, OrderType(locked.type), row.values()) or _shows_distance(fact, locked, row)
        if early and not applied:
            return False
        changes.conclude_lost(locked, _attempts(locked), now, applied=applied, effect=_effect(row))
        _back_in_line(locked, now)
        return True
    return False


def _back_in_line(order: Order, now: datetime) -> None:
    """Let a change that provably was not made wait again, no longer than it may: a later one takes its place.

    The size of an order and its legs keeps its place: taken over by a later change, it would leave without the others.
    """
    row = _leaving(order)
    if row is None or _attempts(order).exclude(outcome__in=("not_sent", changes.NOT_APPLIED)).exists():
        return
    for other in wishes.unlike(row):
        wishes.give_way(row, other, now)
        if row.status != Status.LEAVING:
            return
    later = wishes.alike(row).first()
    if later is not None and (later.quantity is not None or not wishes.pair_of(row).exists()):
        wishes.replace(later, row, now)
        return
    if later is not None:
        code, reason = wishes.SIZE_UNDER_WAY
        wishes.end(later, Status.NOT_MADE, now, code=code, reason=reason)
    OrderModification.objects.filter(pk=row.pk).update(status=Status.WAITING)


def _settle_second(order: Order, now: datetime) -> bool:
    """One of two orders is not changed: what waits is ended with that reason, until a person has said which one stays."""
    waiting = OrderModification.objects.filter(order=order.pk, status=Status.WAITING)
    for row in waiting if has_two(order) else ():
        reason = f"Not changed: {changes.BOTH}"
        wishes.end(row, Status.NOT_MADE, now, code=CODE, reason=reason)
    # The change that they were about has ended: they keep no other change of the order back.
    in_doubt = changes.attempts_for(changes.MODIFICATION).filter(order=order, outcome__in=changes.IN_DOUBT)
    in_doubt.update(outcome=changes.NOT_APPLIED, answered_at=now)
    return True


def shows(fact: OrderFacts, kind: OrderType, values: dict[str, Decimal]) -> bool:
    """Whether the broker shows an order with these values. IBKR's lists do not name a trail: it is asked for again,
    which leaves it as it is where it was made."""
    if kind is OrderType.STOP and not _TRAILS.isdisjoint(values):
        # It was to begin to trail, which its type tells.
        return fact.type is OrderType.TRAILING_STOP
    return all(shown(fact, kind, name) == value for name, value in values.items())


def _shows_distance(fact: OrderFacts, order: Order, row: OrderModification) -> bool:
    """Whether the broker shows a trailing stop limit with the distance between its prices that was asked for.

    The prices themselves have trailed since. Another distance than before shows that all of the change was made.
    """
    last = _attempts(order).order_by("-pk").first()
    if order.type != OrderType.TRAILING_STOP_LIMIT or row.limit_price is None or last is None:
        return False
    was = Decimal(value) if (value := last.request.get("was_apart")) else None
    asked = changes.between(row.stop_price, row.limit_price)
    told = changes.between(fact.stop_price, fact.limit_price)
    return told is not None and told == asked != was


def shown(fact: OrderFacts, kind: OrderType, name: str) -> Decimal | None:
    """One value of an order, as the broker shows it; None where it does not."""
    match name:
        case "quantity" if fact.remaining_quantity is not None:
            return fact.remaining_quantity + (fact.filled_quantity or Decimal(0))
        case "quantity":
            return fact.quantity
        case "limit_price":
            return fact.limit_price
        case "stop_price" if kind is OrderType.STOP:
            # IBKR calls the stop of a stop order its price.
            return fact.stop_price or fact.limit_price
        case "stop_price":
            return fact.stop_price
        case _:
            return None


def _effect(row: OrderModification) -> changes.Effect:
    return changes.Effect(
        apply=lambda order, now: _change(order, row, now),
        keep=lambda order, why, code, now: _keep(order, row, why, code, now),
    )


def _change(order: Order, row: OrderModification, now: datetime) -> None:
    """It has these values now, at IBKR and here; a fill may have overtaken the answer."""
    values = OrderChanges()
    stop, limit = _prices(row, order.type, order.stop_price)
    if limit is not None:
        values["limit_price"] = limit
    if stop is not None:
        values["stop_price"] = stop
    if row.trail_amount is not None or row.trail_percent is not None:
        values["trail_amount"], values["trail_percent"] = row.trail_amount, row.trail_percent
        if order.type == OrderType.STOP:
            values["type"], values["stop_price"] = OrderType.TRAILING_STOP, None
            _end_prices_of(order, now)
    if row.quantity is not None:
        values["quantity"] = max(row.quantity, order.filled_quantity)
        if order.resize_to is not None and order.resize_to >= values["quantity"]:
            values |= OrderChanges(resize_to=None, resize_asked_at=None)
    if order.reason.startswith(KEPT):
        values["reason"] = ""
    status = OrderStatus(order.status)
    if status in CHANGED_IN_PLACE:
        prices = {name: price for name, price in zip(_PRICES, (stop, limit), strict=True) if price is not None}
        cause = f"IBKR has changed it: {in_words({**row.values(), **prices})}"
        Order.objects.move(order, status, now=now, cause=cause, **values)
    elif status is not OrderStatus.FILLED:
        Order.objects.filter(pk=order.pk).update(**values)
    wishes.end(row, Status.MADE, now)
    notify(ORDERS_CHANNEL, str(order.connection_id))
    notify(DECISIONS_CHANNEL, str(order.connection_id))


def _end_prices_of(order: Order, now: datetime) -> None:
    """End changes that wait to give this order a price: it trails now, and has none."""
    for row in OrderModification.objects.filter(order=order.pk, status=Status.WAITING, stop_price__isnull=False):
        reason = "Not changed: the stop has begun to trail, and has no price that stands. Change its trail."
        wishes.end(row, Status.NOT_MADE, now, code="trails-by-now", reason=reason)


def _keep(order: Order, row: OrderModification, why: str, code: str, now: datetime) -> None:
    """Kept as it is, and said so; an order that has ended meanwhile needs no word about it."""
    reason = f"{KEPT} {why}"[:400]
    wishes.end(row, Status.REFUSED, now, code=code or "refused", reason=reason)
    if code == "answer-lost":
        wishes.go_by_the_wanted_trail(order, row)
    wishes.end_pair(row, now)
    status = OrderStatus(order.status)
    if status in CHANGED_IN_PLACE:
        Order.objects.move(order, status, now=now, cause=reason, reason=reason, reason_code=code)
    notify(DECISIONS_CHANNEL, str(order.connection_id))
