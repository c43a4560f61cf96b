"""Orders that IBKR says it no longer has, in its answer to a cancel: looked up, and ended; never asked for again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from brokers import live
from brokers.domain.brokerage import OrderFacts
from brokers.domain.doubts.evidence import Origin
from brokers.domain.doubts.limits import STILL_WORKING
from brokers.domain.doubts.verdicts import MAY_HAVE_FILLED, may_have_filled
from brokers.domain.orders import OVER, OrderStatus
from brokers.domain.sentences import grouped
from brokers.domain.session import clocks
from brokers.models import Connection, Order, SubmissionAttempt, UnexplainedChange
from brokers.models.unclaimed import change_by
from brokers.orders import cancels, reconciliation
from brokers.orders.changes import facts_about
from brokers.orders.doubt import open_doubt
from brokers.orders.waits.wished_cancels import wish_cancels
from brokers.postgres.notices import ORDERS_CHANNEL, notify

GONE = "gone"
# So long the fill that overtook a cancel may take to be told, after a list of positions has shown it.
TOLD_WITHIN = timedelta(seconds=5)
CANCEL = SubmissionAttempt.Kind.CANCEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """In how many complete lists, and over how long, an order must be missing after IBKR said that it has none."""

    reads: int = 2
    seconds: float = 5.0


def orders() -> QuerySet[Order]:
    """Orders whose cancel IBKR last answered with "there is no such order", and of which it is not known how they ended."""
    asked = SubmissionAttempt.objects.filter(order=OuterRef("pk"), kind=CANCEL).order_by("-pk")
    pending = Order.objects.filter(status=str(OrderStatus.PENDING_CANCEL), connection__enabled=True)
    answered = SubmissionAttempt.objects.filter(order=OuterRef("pk"), kind=CANCEL, outcome=GONE)
    return pending.filter(Exists(answered)).annotate(answer=Subquery(asked.values("outcome")[:1])).filter(answer=GONE)


def of_connection(connection_pk: int) -> list[Order]:
    """The connection's orders to look up, oldest first."""
    return list(orders().filter(connection_id=connection_pk).select_related("account").order_by("pk"))


def settle(connection: Connection, order: Order, facts: Sequence[OrderFacts], proof: Proof, now: datetime) -> None:
    """Settle one by a complete list of the broker's orders, which `reconciliation.apply` has seen before.

    What the list shows counts. Missing from it often enough, the order is over: as far as it has filled, and no further.
    Where what is held has changed as if it had filled, it comes into doubt instead: neither IBKR's answer nor its list is
    believed.
    """
    with transaction.atomic():
        fresh = Order.objects.select_for_update().get(pk=order.pk)
        answer = fresh.attempts.filter(kind=CANCEL).latest("pk")
        if fresh.status != OrderStatus.PENDING_CANCEL or answer.outcome != GONE or answer.answered_at is None:
            return
        shown = next(facts_about(fresh, facts), None)
        # What IBKR only held and cannot cancel any more never went to its exchange.
        if shown is not None and not shown.held:
            _settle_shown(fresh, answer, shown.status, now)
            return
        change = change_by(fresh)
        if change is not None:
            # A fill that overtook the cancel is told within moments, mostly.
            if now - change.since >= TOLD_WITHIN:
                _into_doubt(fresh, change, now)
            return
        Order.objects.filter(pk=fresh.pk).update(absences=fresh.absences + 1, checked_at=now)
        if clocks.is_ahead(answer.answered_at, now):
            # The clock was set back since: how long it has been missing is counted anew.
            SubmissionAttempt.objects.filter(pk=answer.pk).update(answered_at=now)
            return
        if fresh.absences + 1 < proof.reads or (now - answer.answered_at).total_seconds() < proof.seconds:
            return
        ended = OrderFacts(
            account_id=fresh.account.account_id,
            broker_order_id=fresh.broker_order_id,
            reference=fresh.reference,
            status=OrderStatus.CANCELED,
            text=_how_it_ended(fresh),
        )
        reconciliation.apply(connection, orders=[ended], now=now)
        notify(ORDERS_CHANNEL, str(fresh.connection_id))


def _into_doubt(order: Order, change: UnexplainedChange, now: datetime) -> None:
    """Look for it as for an order whose answer was lost; should it work after all, its cancel is asked for again."""
    reason = f"IBKR says that it has no such order to cancel. {may_have_filled(change.quantity)} Looking for its fill."
    if Order.objects.move(
        order, OrderStatus.UNKNOWN, now=now, cause=reason, reason=reason, reason_code=MAY_HAVE_FILLED, absences=0
    ):
        open_doubt(order, Origin.VANISHED, now)
        wish_cancels(order.account, [order], "its cancel was asked for before it was looked for", now)
        notify(ORDERS_CHANNEL, str(order.connection_id))
        live.order_changed(order)


def _settle_shown(order: Order, answer: SubmissionAttempt, status: OrderStatus | None, now: datetime) -> None:
    """The broker shows it after all: its cancel is under way there, or it works and the broker has refused to cancel it."""
    if status is None or status in OVER:
        # What it fills or how it ended is on its way; the next look has it.
        return
    if status is OrderStatus.PENDING_CANCEL:
        SubmissionAttempt.objects.filter(pk=answer.pk).update(outcome="accepted")
        return
    SubmissionAttempt.objects.filter(pk=answer.pk).update(outcome="rejected")
    cancels.back_to_work(order, f"{answer.answer} Yet it shows the order as working.", now, code=STILL_WORKING)


def _how_it_ended(order: Order) -> str:
    if order.filled_quantity:
        filled, quantity = grouped(order.filled_quantity), grouped(order.quantity)
        return f"IBKR has this order no longer: {filled} of {quantity} were filled, and the rest ended there."
    return "IBKR has this order no longer: it ended there without a fill."
