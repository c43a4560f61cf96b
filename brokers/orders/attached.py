"""Fills that came before anybody knew whose they are, given to their order once it is known."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from brokers.domain.brokerage import OrderFacts
from brokers.models import Execution, Order
from brokers.postgres.written import written_once


def attach_reported(reported: Sequence[tuple[Order, OrderFacts]]) -> list[Order]:
    """Give orders the fills of nobody that name them, by what IBKR reports of each; those that were given any."""
    if not reported:
        return []
    by_number = [(order, report.broker_order_id or order.broker_order_id) for order, report in reported]
    references = {order.reference for order, _ in by_number}
    numbers = {number for _, number in by_number if number}
    nobodys = _nobodys({order.account_id for order, _ in by_number}, references, numbers)
    # Most lists name orders whose fills all have their order.
    named = {name for row in nobodys for name in row if name}
    return [order for order, number in by_number if named & {order.reference, number} and attach(order, number)]


@written_once
def _nobodys(
    accounts: Collection[int], references: Collection[str], numbers: Collection[str]
) -> QuerySet[Execution, Any]:
    """Reference and number of the fills of nobody that have one of these."""
    names = Q(reference__in=references) | Q(broker_order_id__in=numbers)
    nobodys = Execution.objects.filter(names, account__in=accounts, order=None)
    return nobodys.values_list("reference", "broker_order_id")


def attach(order: Order, broker_order_id: str = "") -> int:
    """Give an order the fills of nobody that name it, by IBKR's number or by its reference; how many."""
    named = Q(reference=order.reference)
    if number := broker_order_id or order.broker_order_id:
        named |= Q(broker_order_id=number)
    nobodys = Execution.objects.filter(named, account=order.account_id, conid=order.conid, side=order.side, order=None)
    # A fill that names another of our orders by number belongs to that order: a second order bears the first one's reference.
    others = Order.objects.filter(account=order.account_id, broker_order_id=OuterRef("broker_order_id"))
    return nobodys.exclude(~Q(broker_order_id="") & Exists(others.exclude(pk=order.pk))).update(order=order)
