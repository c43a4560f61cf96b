"""Orders of ours that may fill, and fills that the positions may not contain yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from brokers.domain.orders import MAY_FILL, OrderStatus, OrderType, Role, Side, TimeInForce
from brokers.domain.session import clocks
from brokers.domain.snapshot import WorkingOrder
from brokers.models import Execution, Order
from brokers.postgres.written import written_once

# What `working_order` reads of an order.
_SHOWN = [
    "account_id",
    "conid",
    "reference",
    "role",
    "side",
    "type",
    "quantity",
    "filled_quantity",
    "status",
    "limit_price",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "time_in_force",
    "outside_rth",
    "ticket_id",
    "changed_at",
    "resize_to",
    "keeps_its_size",
    "parent__reference",
]
_MAY_FILL = [str(status) for status in MAY_FILL]
_SUMMED = ("account_id", "conid", "side", "total")
# An account, a contract, and a signed quantity.
Fill = tuple[int, int, Decimal]


@written_once
def working(accounts: Collection[int], conids: Collection[int]) -> QuerySet[Order]:
    """Orders of these accounts in these contracts that may fill, with what `working_order` reads of them."""
    rows = Order.objects.filter(account__in=accounts, conid__in=conids, status__in=_MAY_FILL)
    return rows.select_related("parent").only(*_SHOWN).order_by("pk")


def unsettled(accounts: Collection[int], conids: Collection[int], now: datetime) -> Iterator[Fill]:
    """Fills that the positions may not contain: heard of since these were read, by their own report or by their order's."""
    # What was heard before the clock was set back was heard before a book that has been read since.
    latest = now + clocks.SKEW
    for account_pk, conid, side, total in _newer(accounts, conids, latest):
        yield account_pk, conid, Side(side).sign * total
    for account_pk, conid, side, quantity, known in _ahead(accounts, conids, latest):
        yield account_pk, conid, Side(side).sign * (quantity - known)


@written_once
def _newer(accounts: Collection[int], conids: Collection[int], latest: datetime) -> QuerySet[Execution, Any]:
    """What was filled since the books were read, by their own reports, in sums."""
    # While an account's book was never read nothing is decided on it: it has no fills here.
    since = {"seen_at__gt": F("account__book_as_of"), "seen_at__lte": latest}
    newer = Execution.objects.filter(account__in=accounts, conid__in=conids, **since)
    return newer.values("account_id", "conid", "side").annotate(total=Sum("quantity")).values_list(*_SUMMED)


@written_once
def _ahead(accounts: Collection[int], conids: Collection[int], latest: datetime) -> QuerySet[Order, Any]:
    """Orders that are known to have filled before their executions came home, with what these say.

    Each kind has its index; one condition for both would have none, and read every order that the account ever had in
    the contract.
    """
    orders = Order.objects.filter(account__in=accounts, conid__in=conids)
    reported = Execution.objects.filter(order=OuterRef("pk")).order_by().values("order").annotate(sum=Sum("quantity"))
    columns = ("account_id", "conid", "side", "filled_quantity", "reported")
    working, filled = (
        rows.annotate(reported=Coalesce(Subquery(reported.values("sum")), Decimal(0)))
        .filter(filled_quantity__gt=F("reported"))
        .values_list(*columns)
        for rows in (
            orders.filter(status__in=_MAY_FILL, filled_quantity__gt=0),
            orders.filter(
                status=str(OrderStatus.FILLED), filled_at__gt=F("account__book_as_of"), filled_at__lte=latest
            ),
        )
    )
    return working.union(filled, all=True)


def working_order(order: Order) -> WorkingOrder:
    """The domain value of an order that may still fill."""
    return WorkingOrder(
        reference=order.reference,
        role=Role(order.role),
        side=Side(order.side),
        type=OrderType(order.type),
        remaining=order.remaining
        if order.resize_to is None
        else max(order.resize_to - order.filled_quantity, Decimal(0)),
        status=OrderStatus(order.status),
        filled=order.filled_quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_amount=order.trail_amount,
        trail_percent=order.trail_percent,
        time_in_force=TimeInForce(order.time_in_force),
        outside_rth=order.outside_rth,
        parent=order.parent.reference if order.parent else "",
        ticket=str(order.ticket_id),
        since=order.changed_at,
        keeps_its_size=order.keeps_its_size,
    )
