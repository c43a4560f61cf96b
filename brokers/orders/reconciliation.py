"""The broker's truth home: executions inserted once, orders moved, in any order of the news."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from brokers import live
from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.orders import (
    CHANGED_IN_PLACE,
    IN_DOUBT,
    OVER,
    OrderStatus,
    Release,
    TimeInForce,
    can_move,
)
from brokers.domain.sentences import grouped
from brokers.models import BrokerageAccount, Connection, Order, OrderChanges
from brokers.orders import doubt, follows, sizes
from brokers.orders.fills import account_legs, attached, keeping, told
from brokers.orders.identity import found, match
from brokers.orders.modifications import at_ibkr, by_rule, from_fill
from brokers.orders.splits import following
from brokers.orders.tickets import end_unfit
from brokers.orders.unsent import finish_ticket_if_done, in_words
from brokers.orders.waits import behind_cancels
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, notify
from brokers.postgres.written import written_once

log = logging.getLogger(__name__)

# What a report of the broker may move an order to; everything else it says is kept but moves nothing.
REPORTABLE = frozenset(
    {OrderStatus.ACCEPTED, OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
)
CANCELED_ELSEWHERE = (
    "Canceled at IBKR, without a reason: by hand in TWS, by the exchange, or since its time was over."
    " Send the signal again if it is still wanted."
)
# It was to end otherwise, or had ended by what was known.
_TO_BE_OVER = frozenset({OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED, OrderStatus.EXPIRED})
# What a plan waits for when it waits for an order to be over.
ENDS_A_WAIT = OVER - {OrderStatus.DENIED}


@dataclass
class Applied:
    """Orders that a batch of reports moved, and keys of accounts whose book it made old.

    `ahead`: keys of orders that have filled by a report, without the executions; `caught_up`: those that have them all.
    `filled`: the instruments, each as the key of its account and its contract, of fills that were not known as they are.
    `strangers`, `nobodys`: reports and fills of nobody's orders. `of_connection`: its accounts, by IBKR's names of them.
    `may_be_stopped`: whether anything that has changed may have a stop, or lack one.
    """

    moved: list[Order] = field(default_factory=list)
    accounts: set[int] = field(default_factory=set)
    ahead: set[int] = field(default_factory=set)
    caught_up: set[int] = field(default_factory=set)
    filled: set[tuple[int, int]] = field(default_factory=set)
    strangers: list[OrderFacts] = field(default_factory=list)
    of_connection: dict[str, BrokerageAccount] = field(default_factory=dict)
    nobodys: list[ExecutionFacts] = field(default_factory=list)
    may_be_stopped: bool = False


@transaction.atomic
def apply(
    connection: Connection,
    *,
    orders: Sequence[OrderFacts] = (),
    executions: Sequence[ExecutionFacts] = (),
    now: datetime,
    clock: Callable[[], datetime] | None = None,
    known: dict[str, BrokerageAccount] | None = None,
) -> Applied:
    """Bring reports home. Every report may come twice, late, or before the answer to our own request.

    They were heard at `now`. With a `clock`, orders say as the moment of their move when it was written. `known`: the
    connection's accounts, as the news before this one found them.
    """
    accounts = _accounts(connection.pk, known or {}, [*orders, *executions])
    applied = Applied(of_connection=accounts)
    ours = match.named_by(accounts, orders, executions)
    applied.moved.extend(found.take(ours, orders, executions, now))
    ours_reported = [
        (order, report)
        for report in orders
        if (order := ours.find(report.reference, report.broker_order_id, report.account_id) or ours.leg(report))
    ]
    if len(ours_reported) < len(orders):
        named = {id(report) for _, report in ours_reported}
        applied.strangers = [report for report in orders if id(report) not in named]
    # Sizes first: what fills an order that was made larger is not more than there is of it.
    for order, report in ours_reported:
        account = accounts.get(report.account_id)
        # A client's part of an advisor's order says nothing about the size of the whole.
        if (account is None or account.pk == order.account_id) and not following.follow(order, report, now):
            if sizes.follow_trail(order, report, now):
                live.order_changed(order)
            sizes.follow(order, report, now)
            if order.distance is not None and at_ibkr.follow(order, report, now):
                live.order_changed(order)
    filled, fills = _keep_fills(accounts, ours, ours_reported, executions, now, applied)
    now = now if clock is None else clock()
    for order in filled.values():
        _count_fills(order, fills.amounts(order), now, applied)
    for order, report in ours_reported:
        if doubt.ask_about_another(order, report, now):
            _moved(order, applied)
        else:
            _apply_report(order, report, now, applied)
    if applied.moved or applied.filled:
        # Most of what is moved is waited for by nobody. What is written at this moment and would wait for one of these
        # orders locks it first, and so sees what was moved here, or is seen here.
        waits, applied.may_be_stopped = follows.look(applied.moved, applied.filled)
        if waits and applied.moved:
            _release_children(applied.moved, now)
            end_unfit(applied.moved, now)
        from_fill.count_again(applied.moved, now)
        account_legs.place(applied.moved, now)
        by_rule.follow(applied.moved, now)
    for order in applied.moved:
        live.order_changed(order)
    return applied


def _keep_fills(
    accounts: dict[str, BrokerageAccount],
    ours: match.Ours,
    reported: Sequence[tuple[Order, OrderFacts]],
    executions: Sequence[ExecutionFacts],
    now: datetime,
    applied: Applied,
) -> tuple[dict[int, Order], told.Told]:
    """Keep the fills of this news, and give their orders those that came before; our orders whose fills have changed."""
    known = told.load(accounts, ours, reported, executions)
    kept = keeping.keep(accounts, ours, executions, known, now)
    applied.accounts |= kept.accounts
    applied.filled |= kept.filled
    applied.nobodys += kept.nobodys
    return kept.orders | {order.pk: order for order in attached.attach_reported(reported, known)}, known


def _accounts(
    connection_pk: int, known: dict[str, BrokerageAccount], facts: Sequence[OrderFacts | ExecutionFacts]
) -> dict[str, BrokerageAccount]:
    """The connection's accounts by IBKR's names of them: those that are known, where the news is of no other."""
    if known and all(fact.account_id in known for fact in facts if fact.account_id):
        return known
    return {account.account_id: account for account in _accounts_of(connection_pk)}


@written_once
def _accounts_of(connection_pk: int) -> QuerySet[BrokerageAccount]:
    return BrokerageAccount.objects.filter(connection=connection_pk)


def _count_fills(order: Order, fills: Sequence[tuple[Decimal, Decimal]], now: datetime, applied: Applied) -> None:
    """The order's filled quantity and average price follow from its executions."""
    total = sum((quantity for quantity, _ in fills), Decimal(0))
    if not total:
        return
    if total > order.quantity:
        log.error("Order %s: executions add up to %s of %s", order.reference, total, order.quantity)
    if total >= order.filled_quantity:
        applied.caught_up.add(order.pk)
    average = sum((quantity * price for quantity, price in fills), Decimal(0)) / total
    _set_filled(order, min(max(total, order.filled_quantity), order.quantity), average, now, applied)


def _set_filled(order: Order, filled: Decimal, average: Decimal | None, now: datetime, applied: Applied) -> None:
    changes = OrderChanges(filled_quantity=filled)
    if average is not None:
        changes["average_price"] = average.quantize(Decimal("0.00000001"))
    if order.acknowledged_at is None:
        changes["acknowledged_at"] = now
    done = filled == order.quantity
    status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
    if done and order.filled_at is None:
        changes["filled_at"] = now
    if done and OrderStatus(order.status) in _TO_BE_OVER:
        # Its cancel came too late: it did not end for what was said then.
        changes["reason"] = ""
    if can_move(OrderStatus(order.status), status):
        Order.objects.move(
            order, status, now=now, cause=f"filled {grouped(filled)} of {grouped(order.quantity)}", **changes
        )
    else:
        Order.objects.filter(pk=order.pk).update(**changes)
        for name, value in changes.items():
            setattr(order, name, value)
    _moved(order, applied)


def _apply_report(order: Order, report: OrderFacts, now: datetime, applied: Applied) -> None:
    """One report of the broker about one of our orders; what it does not say stays as it is."""
    if report.broker_order_id and order.broker_order_id != report.broker_order_id:
        Order.objects.filter(pk=order.pk).update(broker_order_id=report.broker_order_id)
        order.broker_order_id = report.broker_order_id
        _moved(order, applied)
    if (filled := report.filled_quantity) is not None and (filled > order.filled_quantity or _is_whole(order, report)):
        # The fill's own row (price, fee) may come later; that something filled is known now.
        average = None if _is_signed(order, report) else report.average_price
        _set_filled(order, min(max(filled, order.filled_quantity), order.quantity), average, now, applied)
        applied.accounts.add(order.account_id)
        applied.ahead.add(order.pk)
    _apply_status(order, report, now, applied)
    _note_held(order, report.held, now, applied)


def _is_signed(order: Order, report: OrderFacts) -> bool:
    """Whether a report tells a combo's price the other way round than ours, as money that came in: the fills of its legs tell
    the price by its name."""
    return order.conid < 0 and report.average_price is not None and report.average_price <= 0


def _apply_status(order: Order, report: OrderFacts, now: datetime, applied: Applied) -> None:
    status, old = report.status, OrderStatus(order.status)
    if status is None or status not in REPORTABLE or status is old:
        return
    if status is OrderStatus.ACCEPTED and (old is OrderStatus.PENDING_CANCEL or order.filled_quantity):
        # "Submitted" is what IBKR says until the cancel is through, and while an order fills in parts.
        return
    # Inactive without a reason counts as rejected; it may come back to work all the same.
    back = old is OrderStatus.REJECTED and status is OrderStatus.ACCEPTED
    if (old in OVER and not back) or not can_move(old, status):
        return
    changes = OrderChanges()
    if order.acknowledged_at is None:
        changes["acknowledged_at"] = now
    if old in IN_DOUBT or back:
        changes["reason"] = ""
    if status in {OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED} and report.text:
        changes["reason"], changes["reason_code"] = report.text[:400], report.code
    elif status is OrderStatus.CANCELED and _works_on(order) and not _was_to_be_canceled(order):
        changes["reason"], changes["reason_code"] = CANCELED_ELSEWHERE, "canceled-elsewhere"
    cause = f"IBKR: {report.words}" if report.words else report.text or f"IBKR: {status}"
    if Order.objects.move(order, status, now=now, cause=cause, **changes):
        _moved(order, applied)


def _was_to_be_canceled(order: Order) -> bool:
    """Whether IBKR was asked for what it tells: also before its word was looked for."""
    status = OrderStatus(order.status)
    return status is OrderStatus.PENDING_CANCEL or (status in IN_DOUBT and behind_cancels.heard_at(order) is not None)


def _works_on(order: Order) -> bool:
    """Whether an order works until it fills or somebody ends it; a leg ends with the order that it belongs to."""
    return order.release == Release.AT_ONCE and order.time_in_force != TimeInForce.IOC


def _note_held(order: Order, held: str | None, now: datetime, applied: Applied) -> None:
    """Say on the order that the broker keeps it back, and for what; or that it no longer does."""
    if OrderStatus(order.status) in OVER:
        # What is over is held by nobody, whatever an older report says.
        held = "" if held is not None else None
    if held is None or held[:200] == order.held_reason:
        return
    changes = OrderChanges(held_reason=held[:200])
    status = OrderStatus(order.status)
    if status in CHANGED_IN_PLACE:
        cause = f"held by IBKR: {held}" if held else "no longer held by IBKR"
        Order.objects.move(order, status, now=now, cause=cause, **changes)
    else:
        Order.objects.filter(pk=order.pk).update(**changes)
        order.held_reason = held[:200]
    _moved(order, applied)


def _is_whole(order: Order, report: OrderFacts) -> bool:
    """Whether the broker calls filled what our row, by now of the broker's size, still has as working."""
    return (
        report.status is OrderStatus.FILLED
        and order.status != OrderStatus.FILLED
        and order.filled_quantity == order.quantity
    )


def _moved(order: Order, applied: Applied) -> None:
    if order not in applied.moved:
        applied.moved.append(order)


def _release_children(moved: Sequence[Order], now: datetime) -> None:
    """A filled parent makes the orders that waited for it ready; a parent that ended otherwise ends them."""
    over = {order.pk: order for order in moved if OrderStatus(order.status) in OVER}
    if not over:
        return
    if any(order.status in ENDS_A_WAIT for order in over.values()):
        # A plan may have waited for this cancel, and a decision for what becomes of this order. Of a fill the book tells.
        connection_key = str(next(iter(over.values())).connection_id)
        notify(ORDERS_CHANNEL, connection_key)
        if any(order.status != OrderStatus.FILLED for order in over.values()):
            notify(DECISIONS_CHANNEL, connection_key)
    waiting = Order.objects.filter(
        parent__in=over, status=str(OrderStatus.CREATED), release=str(Release.AFTER_PARENT_FILLS)
    )
    for child in waiting.select_related("ticket"):
        assert child.parent_id is not None
        status = over[child.parent_id].status
        if status == OrderStatus.FILLED:
            notify(ORDERS_CHANNEL, str(child.connection_id))
            continue
        reason = f"Not sent: {in_words(over[child.parent_id])}, which it was to follow, ended as {status}."
        Order.objects.move(child, OrderStatus.CANCELED, now=now, cause=reason, reason=reason)
        finish_ticket_if_done(child.ticket_id, now)
        live.order_changed(child)
