"""Orders of ours that may fill, and fills that the positions may not contain yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from brokers.domain.orders import MAY_FILL, MoveTo, OrderStatus, OrderType, Role, Side, StopMove, TimeInForce
from brokers.domain.session import clocks
from brokers.domain.snapshot import WorkingOrder
from brokers.models import Execution, Order
from brokers.postgres.written import written_once

# What `working_order` reads of an order, in its order.
_SHOWN = (
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
    "good_till",
    "submitted_at",
    "parent__reference",
    "moves_after",
    "moves_to",
    "moves_by",
    "moves_with",
    "moved_by_rule_at",
)
_MAY_FILL = [str(status) for status in MAY_FILL]
_SUMMED = ("account_id", "conid", "side", "total")
# An account, a contract, and a signed quantity.
Fill = tuple[int, int, Decimal]


@written_once
def working(accounts: Collection[int], conids: Collection[int]) -> QuerySet[Order, Any]:
    """Orders of these accounts in these contracts that may fill, as `working_order` reads them."""
    rows = Order.objects.filter(account__in=accounts, conid__in=conids, status__in=_MAY_FILL)
    return rows.order_by("pk").values_list(*_SHOWN)


def unsettled(newer: Iterable[tuple[Any, ...]], ahead: Iterable[tuple[Any, ...]]) -> Iterator[Fill]:
    """Fills that the positions may not contain: heard of since these were read, by their own report or by their order's."""
    for account_pk, conid, side, total in newer:
        yield account_pk, conid, Side(side).sign * total
    for account_pk, conid, side, quantity, known in ahead:
        yield account_pk, conid, Side(side).sign * (quantity - known)


def latest(now: datetime) -> datetime:
    """Until when a fill counts for `newer` and `ahead`: what was heard before the clock was set back was heard before a book
    that has been read since."""
    return now + clocks.SKEW


@written_once
def newer(accounts: Collection[int], conids: Collection[int], latest: datetime) -> QuerySet[Execution, Any]:
    """What was filled since the books were read, by their own reports, in sums."""
    # While an account's book was never read nothing is decided on it: it has no fills here.
    since = {"seen_at__gt": F("account__book_as_of"), "seen_at__lte": latest}
    newer = Execution.objects.filter(account__in=accounts, conid__in=conids, **since)
    return newer.values("account_id", "conid", "side").annotate(total=Sum("quantity")).values_list(*_SUMMED)


@written_once
def ahead(accounts: Collection[int], conids: Collection[int], latest: datetime) -> QuerySet[Order, Any]:
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


def working_order(row: tuple[Any, ...]) -> tuple[int, int, WorkingOrder]:
    """The account, the contract and the domain value of an order that may still fill."""
    (
        account_pk, conid, reference, role, side, order_type, quantity, filled, status, limit_price, stop_price,
        trail_amount, trail_percent, time_in_force, outside_rth, ticket_pk, changed_at, resize_to, keeps_its_size, good_till,
        placed_at, parent, *rule,
    ) = row  # fmt: skip
    return (
        account_pk,
        conid,
        WorkingOrder(
            reference=reference,
            role=Role(role),
            side=Side(side),
            type=OrderType(order_type),
            remaining=quantity - filled if resize_to is None else max(resize_to - filled, Decimal(0)),
            status=OrderStatus(status),
            filled=filled,
            limit_price=limit_price,
            stop_price=stop_price,
            trail_amount=trail_amount,
            trail_percent=trail_percent,
            time_in_force=TimeInForce(time_in_force),
            outside_rth=outside_rth,
            parent=parent or "",
            ticket=str(ticket_pk),
            since=changed_at,
            keeps_its_size=keeps_its_size,
            good_till=good_till,
            placed_at=placed_at,
            moves=None if rule[0] is None else _rule(*rule),
        ),
    )


def _rule(after: int, to: str, by: Decimal, instead_of: str, moved_at: datetime | None) -> StopMove | None:
    """What is still to become of a stop once targets have filled."""
    return None if moved_at is not None else StopMove(after=after, to=MoveTo(to), by=by, instead_of=instead_of)
