"""Orders at IBKR that bear our reference and are in no row: after a restore of an older backup, or of another installation.

Nothing is done about them until a person says so: adopt, cancel, or leave.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts import audit
from accounts.models import User
from brokers import live
from brokers.domain.brokerage import OrderFacts
from brokers.domain.elsewhere.whose import REFERENCE_PREFIX, Choice, is_ours
from brokers.domain.orders import TRAILING, OrderStatus, OrderType, Side, TimeInForce
from brokers.models import ForeignOrder, Order, UnclaimedOrder
from brokers.orders import reconciliation
from brokers.orders.identity import found
from brokers.protection import adopting, foreign_cancels
from brokers.protection.adopting import ChoiceRefused, Shape


def undecided() -> QuerySet[ForeignOrder]:
    """Orders that bear our reference and are in no row, or may be the second one of a change, and of which nobody has
    said anything.
    """
    same = {name: OuterRef(name) for name in ("reference", "conid", "side")}
    ours = Q(reference__startswith=f"{REFERENCE_PREFIX}-") & ~Exists(Order.objects.filter(**same))
    rows = ForeignOrder.objects.filter(ours | Q(second_of__isnull=False), left_at=None, cancel_asked_at=None)
    return rows.order_by("pk")


@transaction.atomic
def choose(*, row: ForeignOrder, choice: Choice, actor: User | None, now: datetime) -> Order | None:
    """Follow what a person says of an order that bears our reference; the order's new row where it is adopted."""
    locked = (
        ForeignOrder.objects.select_for_update(of=("self",))
        .select_related("account__connection", "account__team", "second_of")
        .filter(pk=row.pk)
        .first()
    )
    if locked is None:
        raise ChoiceRefused(
            "This order has ended, or Halyard has found its row. Look at the list of orders.", "order-over"
        )
    if not is_ours(locked.reference) and locked.second_of_id is None:
        raise ChoiceRefused("Halyard did not place this order, so there is nothing to decide.", "not-our-reference")
    order = None
    match choice:
        case Choice.ADOPT:
            order = _adopt(locked, now)
        case Choice.CANCEL:
            foreign_cancels.ask([locked], actor=actor, now=now)
        case Choice.LEAVE:
            ForeignOrder.objects.filter(pk=locked.pk).update(left_at=now, left_by=actor)
    audit.record(
        team=locked.account.team,
        actor=actor,
        action="foreign_order.decided",
        subject=locked.reference,
        now=now,
        after={"choice": str(choice), "number": locked.broker_order_id},
    )
    live.account_changed(locked.account)
    return order


def why_not_adopted(row: ForeignOrder) -> tuple[str, str] | None:
    """Why Halyard cannot keep it as an order of its own, with the stable code; None where it can."""
    if (refused := adopting.why_not(row.asset_class, row.reference)) is not None:
        return refused
    if row.type not in set(OrderType) or row.quantity is None:
        return "It is of a type that Halyard has no orders of.", "type-not-traded"
    if row.type in TRAILING:
        return "IBKR's list does not say how far behind the market it follows.", "distance-not-known"
    # Of an order good till a date IBKR's list does not say the date.
    if row.time_in_force not in set(TimeInForce) - {TimeInForce.GTD}:
        return "It works for a time that Halyard's orders do not have.", "time-not-traded"
    return None


def _adopt(row: ForeignOrder, now: datetime) -> Order:
    """Make the row that a backup has lost, and bring home what IBKR says of it."""
    if (refused := why_not_adopted(row)) is not None:
        raise ChoiceRefused(f"It cannot be adopted. {refused[0]}", refused[1])
    assert row.quantity is not None, "an order without its size is not adopted"
    facts = _facts(row)
    if row.second_of is not None:
        order = found.make(row.second_of, facts, now)
        Order.objects.filter(pk=order.pk).update(kept_both_at=now)
    else:
        shape = Shape(
            type=row.type,
            time_in_force=row.time_in_force,
            quantity=row.quantity,
            limit_price=row.limit_price,
            stop_price=row.stop_price,
            filled=row.filled or Decimal(0),
        )
        order = adopting.begin(row, shape, now)
    row.delete()
    # Its fills are found by their names as well: they ask no more.
    same = Q(broker_order_id=row.broker_order_id) | ~Q(reference="") & Q(reference=row.reference)
    UnclaimedOrder.objects.filter(same, account=row.account_id, choice="").delete()
    reconciliation.apply(row.account.connection, orders=[facts], now=now)
    order.refresh_from_db()
    return order


def _facts(row: ForeignOrder) -> OrderFacts:
    """The order as IBKR showed it last."""
    return OrderFacts(
        account_id=row.account.account_id,
        broker_order_id=row.broker_order_id,
        reference=row.reference or None,
        status=OrderStatus.ACCEPTED,
        quantity=row.quantity,
        filled_quantity=row.filled,
        conid=row.conid,
        side=Side(row.side),
        type=OrderType(row.type),
        limit_price=row.limit_price,
        stop_price=row.stop_price,
    )
