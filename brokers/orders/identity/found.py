"""A row for each second order that IBKR shows under a reference of ours, so that it counts, is seen and can be canceled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers import live
from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.doubts.choices import Shape
from brokers.domain.doubts.seconds import CODE, SUSPECTED_FOR, Asked, is_second, looks_like
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    LIMITED,
    MAY_BE_CAPPED,
    MAY_FILL,
    TRAILING,
    WOKEN,
    OrderStatus,
    OrderType,
    Side,
)
from brokers.models import Order, OrderEvent, SubmissionAttempt
from brokers.orders.identity.match import Ours

MODIFY = SubmissionAttempt.Kind.MODIFY
REASON = (
    "IBKR has two orders for this one: it kept the old order and placed another beside it. Both may fill. Keep both, or"
    " cancel one."
)


def take(ours: Ours, reports: Sequence[OrderFacts], fills: Sequence[ExecutionFacts], now: datetime) -> list[Order]:
    """Make rows for the second orders among these reports, and add them to `ours`."""
    made = []
    for report in reports:
        first = ours.doubled(report.reference, report.broker_order_id, report.account_id)
        if first is None:
            continue
        shape = Shape(conid=first.conid, side=Side(first.side), quantity=None)
        if not _is_known(ours, first, report.broker_order_id) and is_second(ours.number(first), shape, report):
            made.append(_add(ours, first, report, now))
    for fill in fills:
        first = ours.doubled(fill.reference, fill.broker_order_id, fill.account_id)
        if first is None or _is_known(ours, first, fill.broker_order_id or ""):
            continue
        # IBKR makes a second order only of one that was to change; any other order keeps the fills under its reference.
        if (change := first.attempts.filter(kind=MODIFY).order_by("-pk").first()) is not None:
            made.append(_add(ours, first, _as_order(change.request, fill), now))
    return made


def _is_known(ours: Ours, first: Order, number: str) -> bool:
    """Whether somebody else has made its row while we waited for the lock of the first one."""
    rows = Order.objects.select_for_update(of=("self",)).filter(account=first.account_id, broker_order_id=number)
    if (second := rows.first()) is not None:
        ours.add(second)
    return second is not None


def _add(ours: Ours, first: Order, shown: OrderFacts, now: datetime) -> Order:
    second = make(first, shown, now)
    ours.add(second)
    live.order_changed(first)
    return second


def _as_order(change: dict[str, Any], fill: ExecutionFacts) -> OrderFacts:
    """What a fill and the change that it is of tell of an order that no list has shown so far."""
    return OrderFacts(
        account_id=fill.account_id,
        broker_order_id=fill.broker_order_id or "",
        quantity=max(Decimal(change["quantity"]), fill.quantity),
        type=OrderType(change["type"]),
    )


def make(first: Order, shown: OrderFacts, now: datetime) -> Order:
    """The row of a second order, working; what IBKR says of its fills and its end is brought home like any report."""
    head = first.second_of or first
    count = Order.objects.filter(second_of=head).count()
    second = Order.objects.create(
        team_id=head.team_id,
        ticket_id=head.ticket_id,
        account_id=head.account_id,
        connection_id=head.connection_id,
        second_of=head,
        # IBKR has it under the reference of the first one; a row needs one of its own.
        reference=f"{head.reference}.{count + 2}",
        broker_order_id=shown.broker_order_id,
        role=head.role,
        ticker=head.ticker,
        asset_class=head.asset_class,
        conid=head.conid,
        currency=head.currency,
        multiplier=head.multiplier,
        side=head.side,
        quantity=shown.quantity or head.quantity,
        signal_price=head.signal_price,
        cancel_after=head.cancel_after,
        good_till=head.good_till,
        expires_at=head.expires_at,
        submitted_at=now,
        created_at=now,
        changed_at=now,
        reason=REASON,
        reason_code=CODE,
        **_terms(head, shown),
    )
    cause = f"IBKR has it beside its order {head.broker_order_id}, which was to change"
    OrderEvent.objects.create(order=second, new=str(OrderStatus.CREATED), cause=cause, at=now)
    Order.objects.move(second, OrderStatus.SUBMITTED, now=now, cause="sent as a change of the order beside it")
    Order.objects.move(second, OrderStatus.ACCEPTED, now=now, cause="IBKR shows it", acknowledged_at=now)
    _tell(head, shown.broker_order_id, now)
    return second


def _terms(first: Order, shown: OrderFacts) -> dict[str, object]:
    """Type, prices and time as IBKR shows them; the first order's where it does not say all that a type needs."""
    limit, stop = shown.limit_price or first.limit_price, shown.stop_price or first.stop_price
    kind = shown.type or OrderType(first.type)
    trail = first.trail_amount or first.trail_percent
    lacks = (kind in LIMITED and limit is None, kind in WOKEN and stop is None, kind in TRAILING and trail is None)
    if any(lacks):
        kind = OrderType(first.type)
    trails = kind in TRAILING
    return {
        "type": str(kind),
        "limit_price": limit if kind in LIMITED | MAY_BE_CAPPED else None,
        "stop_price": stop if kind in WOKEN or trails else None,
        "trail_amount": first.trail_amount if trails else None,
        "trail_percent": first.trail_percent if trails else None,
        "time_in_force": first.time_in_force,
        "outside_rth": first.outside_rth and kind is not OrderType.MARKET,
    }


def _tell(first: Order, number: str, now: datetime) -> None:
    """Say on the first order that it is not alone."""
    status = OrderStatus(first.status)
    if status in CHANGED_IN_PLACE:
        cause = f"IBKR has its order {number} beside this one"
        Order.objects.move(first, status, now=now, cause=cause, reason=REASON, reason_code=CODE)
    elif status in MAY_FILL:
        Order.objects.filter(pk=first.pk).update(reason=REASON, reason_code=CODE)


def suspect(account_pk: int, shown: OrderFacts, now: datetime) -> Order | None:
    """The order whose change an order of nobody's may be the second one of; None where none was to change so."""
    if shown.conid is None:
        return None
    settled = ["accepted", "rejected", "not_sent"]
    for order, change in _asked([account_pk], [shown.conid], now, but=settled):
        if looks_like(change, shown, now):
            return order
    return None


def suspects(accounts: Iterable[int], conids: Iterable[int], now: datetime) -> list[tuple[Order, Asked]]:
    """Orders that were to change and whose answer was lost, each with its change: of these a fill of nobody's may be.

    One whose answer is on its way may have been changed as asked: its fills are read again once it is known to be lost.
    """
    return list(_asked(accounts, conids, now, but=["", "accepted", "rejected", "not_sent"]))


def _asked(
    accounts: Iterable[int], conids: Iterable[int], now: datetime, *, but: Collection[str]
) -> Iterator[tuple[Order, Asked]]:
    """Orders of these accounts and contracts that were to change, newest first; without the outcomes `but`."""
    asked = SubmissionAttempt.objects.filter(
        order__account__in=accounts, order__conid__in=conids, kind=MODIFY, sent_at__gte=now - SUSPECTED_FOR
    ).exclude(outcome__in=but)
    for attempt in asked.select_related("order").order_by("-pk"):
        order = attempt.order
        change = Asked(
            side=Side(order.side),
            type=OrderType(attempt.request["type"]),
            quantity=Decimal(attempt.request["quantity"]),
            sent_at=attempt.sent_at,
            filled=order.filled_quantity,
        )
        yield order, change
