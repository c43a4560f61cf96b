"""Our orders that reports of the broker name, by reference and by the broker's number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.orders import OVER, Release
from brokers.models import BrokerageAccount, Order
from brokers.postgres.written import written_once


@dataclass
class Ours:
    """Our orders that a batch of reports names, locked.

    An order has one number for good: what IBKR shows under its reference with another number is another order.
    """

    accounts: dict[str, BrokerageAccount]
    by_reference: dict[str, Order] = field(default_factory=dict)
    by_number: dict[str, Order] = field(default_factory=dict)

    def add(self, order: Order) -> None:
        self.by_reference[order.reference] = order
        if order.broker_order_id:
            self.by_number[order.broker_order_id] = order

    def number(self, order: Order) -> str:
        """IBKR's number of the order, or the one that was found for it in these reports; "" where there is none."""
        if order.broker_order_id:
            return order.broker_order_id
        return next((number for number, each in self.by_number.items() if each is order), "")

    def is_of(self, order: Order, account_id: str) -> bool:
        """Whether a report is of the order itself: the clients of an advisor's order have reports of their own."""
        account = self.accounts.get(account_id)
        return not order.fa_group and (account is None or account.pk == order.account_id)

    def find(self, reference: str | None, number: str | None, account_id: str) -> Order | None:
        """The order that a report is about: the one of its number, else of its reference."""
        if number and number in self.by_number:
            return self.by_number[number]
        order = self.by_reference.get(reference or "")
        if order is None or not number or not self.is_of(order, account_id):
            return order
        return None if self.number(order) else order

    def of_fill(self, fill: ExecutionFacts) -> Order | None:
        """The order that a fill is of; call it after second orders were found."""
        return self.by_number.get(fill.broker_order_id or "") or self.by_reference.get(fill.reference or "")

    def doubled(self, reference: str | None, number: str | None, account_id: str) -> Order | None:
        """Our order of this reference, where the report has another number than it."""
        order = self.by_reference.get(reference or "")
        if order is None or not number or number in self.by_number or not self.is_of(order, account_id):
            return None
        return order if self.number(order) else None

    def leg(self, report: OrderFacts) -> Order | None:
        """The leg that a report without a reference is about: IBKR shows whose leg it is, but not our name for it.

        Needed where the answer to a bracket was lost: its parent is found by reference, its legs by their parent.
        """
        if report.reference or not report.parent_broker_order_id:
            return None
        orders = list(self.by_reference.values())
        parents = {order.pk for order in orders if order.broker_order_id == report.parent_broker_order_id}
        return next(
            (
                order
                for order in orders
                if order.parent_id in parents
                and not order.broker_order_id
                and (order.side, order.type, order.release) == (report.side, report.type, Release.WITH_PARENT)
            ),
            None,
        )

    def note_numbers(self, reports: Sequence[OrderFacts]) -> None:
        """Find the numbers of orders that have none: of several under one reference, the one that works."""
        for report in sorted(reports, key=lambda each: each.status in OVER):
            order, number = self.by_reference.get(report.reference or ""), report.broker_order_id
            if order is not None and number and not self.number(order) and self.is_of(order, report.account_id):
                self.by_number.setdefault(number, order)


@written_once
def _named(
    accounts: Collection[int], references: Collection[str], ids: Collection[str], parents: Collection[str]
) -> QuerySet[Order]:
    """Orders of these accounts by reference or number, and legs of such without a number of their own; locked."""
    named = Q(reference__in=references) | Q(broker_order_id__in=ids)
    if parents:
        their_parents = Q(parent__broker_order_id__in=parents) | Q(parent__reference__in=references)
        named |= Q(broker_order_id="", release=str(Release.WITH_PARENT)) & their_parents
    return Order.objects.select_for_update(of=("self",)).filter(named, account__in=accounts).order_by("pk")


def named_by(
    accounts: dict[str, BrokerageAccount], orders: Sequence[OrderFacts], executions: Sequence[ExecutionFacts]
) -> Ours:
    """Our orders that the reports name. Call it inside a transaction: they stay locked until its end."""
    facts: list[OrderFacts | ExecutionFacts] = [*orders, *executions]
    references = {fact.reference for fact in facts if fact.reference}
    ids = {fact.broker_order_id for fact in facts if fact.broker_order_id}
    parents = {fact.parent_broker_order_id for fact in orders if fact.parent_broker_order_id}
    ours = Ours(accounts)
    for order in _named([account.pk for account in accounts.values()], references, ids, parents):
        ours.add(order)
    ours.note_numbers(orders)
    return ours
