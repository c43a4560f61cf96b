"""What is known of the fills that news tells of, read once: those of these names, of their orders, and of nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db.models import Q, QuerySet

from brokers.domain.brokerage import ExecutionFacts, OrderFacts
from brokers.domain.contracts.combos import legs_of
from brokers.domain.orders import AssetClass
from brokers.models import BrokerageAccount, Execution, Order
from brokers.orders.identity import match
from brokers.postgres.written import written_once

_KEPT = Decimal("0.00000001")


class Told:
    """Rows of fills by account and execution id. `keep` adds those that are new; they change with what is corrected."""

    def __init__(self, rows: Iterable[Execution]) -> None:
        self.rows = {(row.account_id, row.broker_execution_id): row for row in rows}
        # Orders whose fills have changed behind these rows: they are counted by reading.
        self.stale: set[int] = set()

    def of_nobody(self) -> Iterable[Execution]:
        return (row for row in self.rows.values() if row.order_id is None)

    def amounts(self, order: Order) -> list[tuple[Decimal, Decimal]]:
        """Quantity and price of each fill of an order for which fills were told, as they are kept. Of a combo: whole ones, at
        the net price of both legs."""
        if order.pk in self.stale:
            fills = list(_fills_of(order.pk))
        else:
            mine = (row for row in self.rows.values() if row.order_id == order.pk)
            fills = [(row.conid, _as_kept(row.quantity), _as_kept(row.price)) for row in mine]
        legs = legs_of(order.conid)
        if legs is None:
            return [(quantity, price) for _, quantity, price in fills]
        return in_whole(legs, fills)


def load(
    accounts: dict[str, BrokerageAccount],
    ours: match.Ours,
    reported: Sequence[tuple[Order, OrderFacts]],
    fills: Sequence[ExecutionFacts],
) -> Told:
    """What is known before this news is written; the orders in it are locked, so that nobody else counts their fills."""
    ids = {revision_of(fill.execution_id)[0] for fill in fills}
    filled = {order.pk for fill in fills if (order := ours.of_fill(fill)) is not None}
    named = {accounts[fill.account_id].pk for fill in fills if fill.account_id in accounts}
    references = {order.reference for order, _ in reported}
    numbers = {report.broker_order_id or order.broker_order_id for order, report in reported} - {""}
    places = named | {order.account_id for order, _ in reported}
    return Told(_told(places, ids, filled, references, numbers) if places else ())


@written_once
def _told(
    accounts: Collection[int],
    execution_ids: Collection[str],
    orders: Collection[int],
    references: Collection[str],
    numbers: Collection[str],
) -> QuerySet[Execution]:
    """Fills of these ids, those of these orders, and those of nobody that name one of the others."""
    here = Execution.objects.filter(account__in=accounts)
    nobodys = here.filter(Q(reference__in=references) | Q(broker_order_id__in=numbers), order=None)
    known, ordered = here.filter(broker_execution_id__in=execution_ids), Execution.objects.filter(order__in=orders)
    # Each of them by an index of its own.
    return known.union(ordered, nobodys, all=True)


@written_once
def _fills_of(order_pk: int) -> QuerySet[Execution, Any]:
    return Execution.objects.filter(order=order_pk).values_list("conid", "quantity", "price")


def in_whole(legs: tuple[int, int], fills: Sequence[tuple[int, Decimal, Decimal]]) -> list[tuple[Decimal, Decimal]]:
    """The whole combos that these fills of its legs make, in their order, and their net price: no more than there is of either.

    A broker fills both legs or none, and tells of one after the other: what is told of one leg alone counts for nothing yet.
    """
    of_leg = [[(quantity, price) for conid, quantity, price in fills if conid == leg and quantity > 0] for leg in legs]
    whole = min(sum((quantity for quantity, _ in each), Decimal(0)) for each in of_leg)
    if not whole:
        return []
    long, short = (_value_of_first(whole, each) / whole for each in of_leg)
    return [(whole, long - short)]


def _value_of_first(count: Decimal, fills: Sequence[tuple[Decimal, Decimal]]) -> Decimal:
    """What the first `count` of these fills came to."""
    value = Decimal(0)
    for quantity, price in fills:
        taken = min(quantity, count)
        value += taken * price
        count -= taken
    return value


def names_its_fills(order: Order) -> bool:
    """Whether an order says exactly what its fills are in; a future is often ordered by its root alone, without its month."""
    return order.asset_class != AssetClass.FUTURE


def revision_of(execution_id: str) -> tuple[str, int]:
    """IBKR ends an execution id in a revision: `0000e0d5.6576fd38.01.01` is fill `0000e0d5.6576fd38.01`, revision 1."""
    base, _, revision = execution_id.rpartition(".")
    return (base, int(revision)) if base and revision.isdigit() else (execution_id, 1)


def _as_kept(value: Decimal) -> Decimal:
    """An amount as its column rounds it: a row that was just written has it as IBKR told it."""
    return value.quantize(_KEPT, ROUND_HALF_UP)
