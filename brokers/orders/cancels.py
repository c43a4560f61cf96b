"""Cancels: asked for by people and plans, sent by lanes, settled only by what the broker says of the order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef, QuerySet

from accounts import audit
from accounts.models import User
from accounts.turns import in_portions, in_turn
from brokers import live
from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.limits import ASK_SOON, MOST_SOON, NOT_CANCELED, WORKS_ON
from brokers.domain.orders import CHANGED_IN_PLACE, IN_FLIGHT, MAY_FILL, OrderStatus, can_move
from brokers.domain.session import clocks
from brokers.models import BrokerageAccount, Order, SubmissionAttempt
from brokers.orders.changes import facts_about
from brokers.orders.execution import hashed
from brokers.orders.unsent import end_unsent, finish_ticket_if_done
from brokers.orders.waits import behind_cancels, good_till
from brokers.orders.waits.wished_cancels import (
    BEFORE_IT_LEFT,
    ask_cancels,
    unsent_because,
    wish_cancels,
    with_open_cancels,
)
from brokers.postgres.notices import ORDERS_CHANNEL, keys, notify

# What became of a request. `not_sent`: it did not leave, or IBKR said that it did nothing of it.
ACCEPTED, REJECTED, AMBIGUOUS, NOT_SENT = "accepted", "rejected", "ambiguous", "not_sent"
# Whether IBKR has such a request is not known: its answer was lost, or the worker that waited for it died.
_IN_DOUBT = ("", AMBIGUOUS)
# IBKR's list showed the order as working afterwards.
NOT_APPLIED = "not_applied"
# After these outcomes the cancel is asked for again.
_AGAIN = (*_IN_DOUBT, NOT_APPLIED, NOT_SENT)
# A request is repeated twice at the most, each time after reading what IBKR shows.
MOST_REQUESTS = 3
# Of what is due at once: so much of it is looked at, in such portions, for so long.
MOST, AT_ONCE, LONGEST_SECONDS = 2_000, 50, 1.0
LOST = (
    f"IBKR was asked {MOST_REQUESTS} times, its answers were lost, and it still shows the order as working."
    " Cancel it again, or in TWS."
)
# A broker that refused a cancel is asked again, but not in the same breath.
ASK_AGAIN_AFTER = timedelta(seconds=10)


def _is_asked_again_soon(order: Order, now: datetime) -> bool:
    """Whether a cancel of an order past its date, which IBKR has just refused, is asked for again in this session."""
    if behind_cancels.is_open(order, now, now + ASK_SOON) is not True:
        return False
    return SubmissionAttempt.refused_past_the_end().filter(order=order.pk).count() <= MOST_SOON


@transaction.atomic
def request_cancel(*, order: Order, actor: User | None, now: datetime) -> bool:
    """Cancel an order: at once when it never left, otherwise by asking the broker, as soon as it is known to have arrived.

    False when it is over already, or is being canceled.
    """
    locked = Order.objects.select_for_update().select_related("ticket").get(pk=order.pk)
    status = OrderStatus(locked.status)
    if status is OrderStatus.CREATED:
        done = end_unsent(locked, OrderStatus.CANCELED, BEFORE_IT_LEFT, now)
    elif can_move(status, OrderStatus.PENDING_CANCEL) and locked.broker_order_id:
        done = Order.objects.move(locked, OrderStatus.PENDING_CANCEL, now=now, cause="cancel requested")
        notify(ORDERS_CHANNEL, str(locked.ticket.connection_id))
    elif status in IN_FLIGHT:
        wish_cancels(locked.account, [locked], f"Asked by {actor}." if actor else "Asked for.", now)
        # One that still waits for its turn does not leave any more.
        notify(ORDERS_CHANNEL, str(locked.ticket.connection_id))
        done = True
    else:
        done = False
    if done:
        team = locked.team
        audit.record(team=team, actor=actor, action="order.cancel_requested", subject=locked.reference, now=now)
        live.order_changed(locked)
    order.status = locked.status
    return done


@transaction.atomic
def cancel_all(orders: QuerySet[Order], *, actor: User | None, cause: str, now: datetime) -> int:
    """Cancel those of these orders that may still fill; returns how many this call ended or asked for.

    Orders that never left end at once with everything behind them, working ones are asked for at the broker, and those
    on their way as soon as they have arrived. `cause` is a sentence; the caller writes the audit.
    """
    if actor is not None:
        cause = f"{cause} Asked by {actor}."
    may_fill = Order.objects.filter(pk__in=orders.values("pk"), status__in=[str(status) for status in MAY_FILL])
    count, on_their_way, woken = 0, defaultdict[BrokerageAccount, list[Order]](list), set[int]()
    for order in may_fill.select_for_update(of=("self",)).select_related("account").order_by("pk"):
        status = OrderStatus(order.status)
        if status is OrderStatus.CREATED:
            # Its parent may have taken it along a moment ago.
            count += end_unsent(order, OrderStatus.CANCELED, unsent_because(cause), now)
        elif status in IN_FLIGHT or not order.broker_order_id:
            on_their_way[order.account].append(order)
        elif _may_be_asked(order, now):
            count += Order.objects.move(order, OrderStatus.PENDING_CANCEL, now=now, cause=cause)
            woken.add(order.connection_id)
            live.order_changed(order)
    for account, arriving in on_their_way.items():
        wish_cancels(account, arriving, cause, now)
        # One that still waits for its turn does not leave any more.
        woken.add(account.connection_id)
        count += len(arriving)
    if woken:
        notify(ORDERS_CHANNEL, keys(woken))
    return count


def _may_be_asked(order: Order, now: datetime) -> bool:
    """Whether the broker may be asked to cancel it: not while it is being asked, and not in one breath with its "no"."""
    if not can_move(OrderStatus(order.status), OrderStatus.PENDING_CANCEL):
        return False
    refused = order.attempts.filter(
        kind=SubmissionAttempt.Kind.CANCEL, outcome="rejected", answered_at__gt=now - ASK_AGAIN_AFTER
    )
    return not refused.exists()


@transaction.atomic
def set_right(now: datetime) -> int:
    """Let what IBKR acknowledged before the clock was set back count as acknowledged now; returns how many orders.

    An order works as long as it was given, and is missed where IBKR's lists miss it: not only after as long as the clock
    went back.
    """
    ahead = Order.objects.filter(status__in=[str(status) for status in CHANGED_IN_PLACE])
    ahead = ahead.filter(acknowledged_at__gt=now + clocks.SKEW).order_by("pk").select_for_update(skip_locked=True)
    return Order.objects.filter(pk__in=list(ahead.values_list("pk", flat=True))).update(acknowledged_at=now)


def ask_due(now: datetime) -> int:
    """Ask for what is due: orders that worked as long as they were given, or to the end that they were given, and cancels of
    plans that had to wait.

    Team by team in turn, each portion in a transaction of its own.
    """
    set_right(now)
    late = in_turn(_out_of_time(now), MOST, order="?")
    wished = in_turn(with_open_cancels(), MOST, order="?")
    dated = in_turn(good_till.over(now), MOST, order="?")
    count = in_portions(late, lambda some: _end_time(some, now), at_once=AT_ONCE, seconds=LONGEST_SECONDS)
    count += in_portions(dated, lambda some: _end_dated(some, now), at_once=AT_ONCE, seconds=LONGEST_SECONDS)
    in_portions(wished, lambda some: _ask_for(some, now), at_once=AT_ONCE, seconds=LONGEST_SECONDS)
    return count


def _out_of_time(now: datetime) -> QuerySet[Order]:
    """Orders that have worked for as long as they were given, and whose cancel IBKR has not refused since."""
    until = ExpressionWrapper(
        F("acknowledged_at") + F("cancel_after") * timedelta(seconds=1), output_field=DateTimeField()
    )
    working = [str(OrderStatus.ACCEPTED), str(OrderStatus.PARTIALLY_FILLED)]
    due = Order.objects.filter(status__in=working, cancel_after__isnull=False).exclude(broker_order_id="")
    refused = SubmissionAttempt.objects.filter(
        order=OuterRef("pk"), kind=SubmissionAttempt.Kind.CANCEL, outcome=REJECTED, sent_at__gte=OuterRef("until")
    )
    return due.alias(until=until).filter(~Exists(refused), until__lte=now)


@transaction.atomic
def _end_time(keys: list[int], now: datetime) -> int:
    """Ask for the cancel of orders that worked for as long as they were given; returns how many."""
    count = 0
    for order in _out_of_time(now).filter(pk__in=keys).select_for_update(skip_locked=True):
        cause = f"canceled: it worked for the {order.cancel_after} seconds it was given"
        count += _end_by_clock(order, cause, f"Not filled within the {order.cancel_after} seconds it was given.", now)
    return count


@transaction.atomic
def _end_dated(keys: list[int], now: datetime) -> int:
    """Ask for the cancel of orders good till a date that is over; returns how many."""
    count = 0
    for order in good_till.over(now).filter(pk__in=keys).select_for_update(skip_locked=True):
        assert order.good_till is not None, "it is over by that"
        if _is_put_off(order, now):
            continue
        reason = good_till.why_canceled(order.good_till, now)
        count += _end_by_clock(order, reason, reason, now)
    return count


def _is_put_off(order: Order, now: datetime) -> bool:
    """Whether a cancel that was refused before is not asked for yet, as IBKR has said meanwhile that the market is closed."""
    opens = None if order.cancel_again_at is None else behind_cancels.opens_at(order, now)
    if opens is None:
        return False
    Order.objects.filter(pk=order.pk).update(cancel_again_at=opens)
    return True


def _end_by_clock(order: Order, cause: str, reason: str, now: datetime) -> bool:
    """Ask for the cancel of an order whose time is over; False where it is being canceled, or over, already."""
    if not Order.objects.move(order, OrderStatus.PENDING_CANCEL, now=now, cause=cause, reason=reason):
        return False
    notify(ORDERS_CHANNEL, str(order.connection_id))
    live.order_changed(order)
    return True


@transaction.atomic
def _ask_for(keys: list[int], now: datetime) -> int:
    """Ask for the cancels of these tickets, as far as they can be asked for."""
    tickets = with_open_cancels().filter(pk__in=keys).order_by("pk")
    for ticket in tickets.select_for_update(of=("self",), skip_locked=True):
        ask_cancels(ticket, now)
    return len(keys)


def unsent_cancels() -> QuerySet[Order]:
    """Orders to be canceled whose request has not left yet, or whose answer was lost.

    An answer that is not there yet is one that a dead worker waited for, to whoever holds the connection's lock.
    """
    asked = SubmissionAttempt.objects.filter(
        order=OuterRef("pk"), kind=SubmissionAttempt.Kind.CANCEL, sent_at__gte=OuterRef("changed_at")
    ).exclude(outcome__in=_AGAIN)
    pending = Order.objects.filter(status=str(OrderStatus.PENDING_CANCEL), connection__enabled=True)
    return pending.exclude(Exists(asked))


def next_cancel(connection_pk: int) -> Order | None:
    """The connection's next cancel to send; one whose answer was lost is looked up before it leaves again."""
    waiting = unsent_cancels().filter(~Exists(_in_doubt()), connection_id=connection_pk)
    return waiting.select_related("account").order_by("changed_at").first()


def lost(connection_pk: int) -> list[Order]:
    """The connection's orders to be canceled, of which it is not known whether IBKR has the request."""
    waiting = unsent_cancels().filter(Exists(_in_doubt()), connection_id=connection_pk)
    return list(waiting.select_related("account").order_by("pk"))


def _in_doubt() -> QuerySet[SubmissionAttempt]:
    return SubmissionAttempt.objects.filter(
        order=OuterRef("pk"),
        kind=SubmissionAttempt.Kind.CANCEL,
        sent_at__gte=OuterRef("changed_at"),
        outcome__in=_IN_DOUBT,
    )


def requests(order: Order) -> QuerySet[SubmissionAttempt]:
    """The requests to cancel it since it is to be canceled."""
    return order.attempts.filter(kind=SubmissionAttempt.Kind.CANCEL, sent_at__gte=order.changed_at)


@transaction.atomic
def settle_lost(order: Order, facts: Sequence[OrderFacts], now: datetime) -> None:
    """Settle requests whose answers were lost by a complete list, which was brought home before.

    What it shows as working is asked about again, MOST_REQUESTS times in all; what it does not show is gone.
    """
    locked = Order.objects.select_for_update().get(pk=order.pk)
    if locked.status != OrderStatus.PENDING_CANCEL:
        return
    lost = requests(locked).filter(outcome__in=_IN_DOUBT)
    shown = next(facts_about(locked, facts), None)
    if shown is None or shown.status is OrderStatus.PENDING_CANCEL:
        outcome, answer = ("accepted", "IBKR cancels it.") if shown else ("gone", "IBKR does not list this order.")
        lost.update(outcome=outcome, answered_at=now, answer=answer)
        return
    lost.update(outcome=NOT_APPLIED, answered_at=now)
    if requests(locked).filter(outcome=NOT_APPLIED).count() >= MOST_REQUESTS:
        SubmissionAttempt.objects.filter(pk=requests(locked).latest("pk").pk).update(outcome="rejected")
        back_to_work(locked, LOST, now, code=NOT_CANCELED)


@transaction.atomic
def begin_cancel(order: Order, now: datetime) -> int:
    """Write down that a cancel is about to leave."""
    request = {"broker_order_id": order.broker_order_id}
    Order.objects.filter(pk=order.pk).update(absences=0)
    abandoned = SubmissionAttempt.objects.filter(order=order, kind=SubmissionAttempt.Kind.CANCEL, outcome="")
    abandoned.update(outcome="ambiguous", answered_at=now, answer="Halyard was interrupted before IBKR answered.")
    attempt = SubmissionAttempt.objects.create(
        order=order, kind=SubmissionAttempt.Kind.CANCEL, request=request, request_hash=hashed(request), sent_at=now
    )
    return attempt.pk


@transaction.atomic
def finish_cancel(order: Order, attempt_pk: int, outcome: str, reason: str, now: datetime, *, code: str = "") -> None:
    """IBKR answers a cancel with "requested"; only the order's status tells what became of it.

    An order that IBKR says it no longer has stays as it is until it is looked up: see `gone`.
    """
    SubmissionAttempt.objects.filter(pk=attempt_pk, outcome="").update(outcome=outcome, answered_at=now, answer=reason)
    if outcome == REJECTED:
        back_to_work(Order.objects.select_for_update().get(pk=order.pk), reason, now, code=code)
    elif outcome == ACCEPTED:
        behind_cancels.look_behind(order, now)


def back_to_work(order: Order, reason: str, now: datetime, *, code: str = "") -> None:
    """The broker has not canceled the order, and it still works there."""
    partly = 0 < order.filled_quantity < order.quantity
    back = OrderStatus.PARTIALLY_FILLED if partly else OrderStatus.ACCEPTED
    reason_text = f"{WORKS_ON}{reason}"[:400]
    again = good_till.asks_again_at(order, now)
    if again is not None and _is_asked_again_soon(order, now):
        again = now + ASK_SOON
    if can_move(OrderStatus(order.status), back) and Order.objects.move(
        order, back, now=now, cause=reason, reason=reason_text, reason_code=code, cancel_again_at=again
    ):
        finish_ticket_if_done(order.ticket_id, now)
        live.order_changed(order)
