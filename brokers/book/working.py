"""Orders of ours that may fill, and fills that the positions may not contain yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from decimal import Decimal

from django.db.models import F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from brokers.domain.orders import MAY_FILL, OrderStatus, OrderType, Role, Side, TimeInForce
from brokers.domain.session import clocks
from brokers.domain.snapshot import WorkingOrder
from brokers.models import Execution, Order

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
# An account, a contract, and a signed quantity.
Fill = tuple[int, int, Decimal]


def working(accounts: Collection[int], conids: Collection[int]) -> Iterator[Order]:
    """Orders of these accounts in these contracts that may fill, with what `working_order` reads of them."""
    rows = Order.objects.filter(account__in=accounts, conid__in=conids, status__in=_MAY_FILL)
    # Not `.iterator()`, which costs a cursor at the server: three trips in place of one.
    return iter(rows.select_related("parent").only(*_SHOWN).order_by("pk"))


def unsettled(accounts: Collection[int], conids: Collection[int], now: datetime) -> Iterator[Fill]:
    """Fills that the positions may not contain: heard of since these were read, by their own report or by their order's."""
    # What was heard before the clock was set back was heard before a book that has been read since.
    read, latest = F("account__book_as_of"), now + clocks.SKEW
    # While an account's book was never read nothing is decided on it: it has no fills here.
    newer = Execution.objects.filter(account__in=accounts, conid__in=conids, seen_at__gt=read, seen_at__lte=latest)
    for row in newer.values("account_id", "conid", "side").annotate(total=Sum("quantity")):
        yield row["account_id"], row["conid"], Side(row["side"]).sign * row["total"]
    # An order can be known to have filled before its executions come home. Each kind has its index; one condition for
    # both would have none, and read every order that the account ever had in the contract.
    orders = Order.objects.filter(account__in=accounts, conid__in=conids)
    reported = Execution.objects.filter(order=OuterRef("pk")).order_by().values("order").annotate(sum=Sum("quantity"))
    columns = ("account_id", "conid", "side", "filled_quantity", "reported")
    working, filled = (
        rows.annotate(reported=Coalesce(Subquery(reported.values("sum")), Decimal(0)))
        .filter(filled_quantity__gt=F("reported"))
        .values_list(*columns)
        for rows in (
            orders.filter(status__in=_MAY_FILL, filled_quantity__gt=0),
            orders.filter(status=str(OrderStatus.FILLED), filled_at__gt=read, filled_at__lte=latest),
        )
    )
    for account_pk, conid, side, quantity, known in working.union(filled, all=True):
        yield account_pk, conid, Side(side).sign * (quantity - known)


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
