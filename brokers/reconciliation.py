"""The broker's truth home: executions inserted once, orders moved, whatever order the news arrives in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q

from brokers import live
from brokers.domain.orders import OVER, OrderStatus, Release, can_move
from brokers.models import BrokerageAccount, Connection, Execution, Order, Ticket
from brokers.ports import ExecutionFacts, OrderFacts
from brokers.snapshots import ORDERS_CHANNEL, notify
from brokers.tickets import finish_ticket_if_done

log = logging.getLogger(__name__)

# What a report of the broker may move an order to; everything else it says is kept but moves nothing.
REPORTABLE = frozenset(
    {OrderStatus.ACCEPTED, OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
)


@dataclass
class Applied:
    """What a batch of reports changed."""

    fills: int = 0
    moved: list[Order] = field(default_factory=list)
    accounts: set[int] = field(default_factory=set)


@transaction.atomic
def apply(
    connection: Connection,
    *,
    orders: Sequence[OrderFacts] = (),
    executions: Sequence[ExecutionFacts] = (),
    now: datetime,
) -> Applied:
    """Bring reports home. Every report may come twice, late, or before the answer to our own request."""
    applied = Applied()
    accounts = {account.account_id: account for account in connection.accounts.all()}
    ours = _our_orders(accounts, orders, executions)
    for fill in executions:
        if account := accounts.get(fill.account_id):
            _keep_execution(account, _find(ours, fill.reference, fill.broker_order_id), fill, now, applied)
    for report in orders:
        if order := _find(ours, report.reference, report.broker_order_id):
            _apply_report(order, report, now, applied)
    for order in applied.moved:
        _release_children(order, now)
        finish_ticket_if_done(order.ticket_id, now)
        live.order_changed(order)
    return applied


def _our_orders(
    accounts: dict[str, BrokerageAccount], orders: Sequence[OrderFacts], executions: Sequence[ExecutionFacts]
) -> dict[str, Order]:
    """Our orders named by the reports, locked, by reference and by broker id (prefixed, the two never collide)."""
    facts: list[OrderFacts | ExecutionFacts] = [*orders, *executions]
    references = {fact.reference for fact in facts if fact.reference}
    ids = {fact.broker_order_id for fact in facts if fact.broker_order_id}
    found = (
        Order.objects.select_for_update()
        .filter(account__in=[account.pk for account in accounts.values()])
        .filter(Q(reference__in=references) | Q(broker_order_id__in=ids))
        .order_by("pk")
    )
    ours: dict[str, Order] = {}
    for order in found:
        ours[f"r:{order.reference}"] = order
        if order.broker_order_id:
            ours[f"b:{order.broker_order_id}"] = order
    return ours


def _find(ours: dict[str, Order], reference: str | None, broker_order_id: str | None) -> Order | None:
    return ours.get(f"r:{reference}") or ours.get(f"b:{broker_order_id}")


def revision_of(execution_id: str) -> tuple[str, int]:
    """IBKR ends an execution id in a revision: `0000e0d5.6576fd38.01.01` is fill `0000e0d5.6576fd38.01`, revision 1."""
    base, _, revision = execution_id.rpartition(".")
    return (base, int(revision)) if base and revision.isdigit() else (execution_id, 1)


def _keep_execution(
    account: BrokerageAccount, order: Order | None, fill: ExecutionFacts, now: datetime, applied: Applied
) -> None:
    base, revision = revision_of(fill.execution_id)
    values: dict[str, Any] = {
        "revision": revision, "quantity": fill.quantity, "price": fill.price, "currency": fill.currency,
        "exchange": fill.exchange[:32], "executed_at": fill.executed_at,
    }  # fmt: skip
    if fill.fee is not None:
        values["fee"] = fill.fee
    made, created = Execution.objects.get_or_create(
        account=account,
        broker_execution_id=base,
        defaults={
            **values, "team_id": account.team_id, "order": order, "conid": fill.conid, "ticker": fill.ticker,
            "side": fill.side, "seen_at": now,
        },
    )  # fmt: skip
    changed = created
    if not created and (revision > made.revision or (made.fee is None and fill.fee is not None)):
        Execution.objects.filter(pk=made.pk).update(**values)
        changed = True
    if created:
        applied.fills += 1
        applied.accounts.add(account.pk)
    if order is not None and changed:
        _count_fills(order, now, applied)


def _count_fills(order: Order, now: datetime, applied: Applied) -> None:
    """The order's filled quantity and average price follow from its executions."""
    fills = list(order.executions.values_list("quantity", "price"))
    total = sum((quantity for quantity, _ in fills), Decimal(0))
    if total > order.quantity:
        log.error("Order %s: executions add up to %s of %s", order.reference, total, order.quantity)
    average = sum((quantity * price for quantity, price in fills), Decimal(0)) / total
    _set_filled(order, min(max(total, order.filled_quantity), order.quantity), average, now, applied)


def _set_filled(order: Order, filled: Decimal, average: Decimal | None, now: datetime, applied: Applied) -> None:
    changes: dict[str, Any] = {"filled_quantity": filled}
    if average is not None:
        changes["average_price"] = average.quantize(Decimal("0.00000001"))
    if order.acknowledged_at is None:
        changes["acknowledged_at"] = now
    done = filled == order.quantity
    status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
    if done and order.filled_at is None:
        changes["filled_at"] = now
    if can_move(OrderStatus(order.status), status):
        Order.objects.move(
            order, status, now=now, cause=f"filled {filled.normalize():f} of {order.quantity.normalize():f}", **changes
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
    if report.filled_quantity is not None and report.filled_quantity > order.filled_quantity:
        # The fill's own row (price, fee) may come later; that something filled is known now.
        _set_filled(order, min(report.filled_quantity, order.quantity), report.average_price, now, applied)
        applied.accounts.add(order.account_id)
    status = report.status
    if status is None or status not in REPORTABLE or status == order.status:
        return
    old = OrderStatus(order.status)
    if status is OrderStatus.ACCEPTED and (old is OrderStatus.PENDING_CANCEL or order.filled_quantity):
        # "Submitted" is what IBKR says until the cancel is through, and while an order fills in parts.
        return
    if old in OVER or not can_move(old, status):
        return
    changes: dict[str, Any] = {}
    if order.acknowledged_at is None:
        changes["acknowledged_at"] = now
    if old is OrderStatus.UNKNOWN:
        changes["reason"] = ""
    if status in {OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED} and report.text:
        changes["reason"] = report.text[:400]
    if Order.objects.move(order, status, now=now, cause=report.text or f"IBKR: {status}", **changes):
        _moved(order, applied)


def _moved(order: Order, applied: Applied) -> None:
    if order not in applied.moved:
        applied.moved.append(order)


def _release_children(order: Order, now: datetime) -> None:
    """A filled parent makes the orders that waited for it ready; a parent that ended otherwise ends them."""
    status = OrderStatus(order.status)
    waiting = order.children.filter(status=str(OrderStatus.CREATED), release=str(Release.AFTER_PARENT_FILLS))
    if status is OrderStatus.FILLED:
        if waiting.exists():
            Ticket.objects.filter(pk=order.ticket_id).update(worked_at=None)
            notify(ORDERS_CHANNEL)
    elif status in OVER:
        for child in waiting:
            reason = f"Its parent order ended as {status}."
            Order.objects.move(child, OrderStatus.CANCELED, now=now, cause=reason, reason=reason)
            live.order_changed(child)
