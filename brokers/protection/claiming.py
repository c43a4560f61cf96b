"""What a person says of an order that has filled and is in no row: it is ours, or it is left as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.models import User
from brokers import live
from brokers.domain.brokerage import OrderFacts
from brokers.domain.elsewhere.whose import DECIDED_BY, Choice
from brokers.domain.orders import OrderStatus, OrderType, Side, TimeInForce
from brokers.models import Order, UnclaimedOrder
from brokers.models.unclaimed import asked
from brokers.orders import reconciliation
from brokers.orders.identity import found
from brokers.protection import adopting
from brokers.protection.adopting import ChoiceRefused, Shape

ENDED = "It had ended at IBKR before Halyard knew it again; what had filled of it counts."
# Types of which IBKR's list says all that a row needs.
_NEEDS = {
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP: ("stop_price",),
    OrderType.STOP_LIMIT: ("limit_price", "stop_price"),
    OrderType.MARKET_IF_TOUCHED: ("stop_price",),
    OrderType.LIMIT_IF_TOUCHED: ("limit_price", "stop_price"),
    OrderType.MIDPRICE: (),
}


@transaction.atomic
def choose(*, row: UnclaimedOrder, choice: Choice, actor: User | None, now: datetime) -> Order | None:
    """Follow what a person says of it; the order's new row where it is adopted. Raises ChoiceRefused."""
    locked = (
        UnclaimedOrder.objects.select_for_update(of=("self",))
        .select_related("account__connection", "account__team", "second_of")
        .get(pk=row.pk)
    )
    if choice not in DECIDED_BY:
        raise ChoiceRefused(
            "It has filled, so there is nothing left to cancel. Close the position instead.", "order-over"
        )
    if locked.order_id is not None or (not locked.choice and not asked().filter(pk=locked.pk).exists()):
        raise ChoiceRefused("Halyard has its row by now. Look at the list of orders.", "order-over")
    order = _adopt(locked, now) if choice is Choice.ADOPT else None
    UnclaimedOrder.objects.filter(pk=locked.pk).update(
        choice=str(choice), decided_at=now, decided_by=actor, order=order
    )
    audit.record(
        team=locked.account.team,
        actor=actor,
        action="unclaimed_order.decided",
        subject=locked.reference or locked.broker_order_id or locked.broker_execution_id,
        now=now,
        after={"choice": str(choice), "number": locked.broker_order_id, "filled": str(locked.filled)},
    )
    live.account_changed(locked.account)
    return order


def why_not_adopted(row: UnclaimedOrder) -> tuple[str, str] | None:
    """Why Halyard cannot keep it as an order of its own, with the stable code; None where it can."""
    if not row.broker_order_id and not row.reference:
        return "IBKR has not said its number.", "number-not-known"
    return adopting.why_not(row.asset_class, row.reference)


def _adopt(row: UnclaimedOrder, now: datetime) -> Order:
    if (refused := why_not_adopted(row)) is not None:
        raise ChoiceRefused(f"It cannot be adopted. {refused[0]}", refused[1])
    facts = _facts(row)
    if row.second_of is not None:
        order = found.make(row.second_of, facts, now)
        Order.objects.filter(pk=order.pk).update(kept_both_at=now)
    else:
        order = adopting.begin(row, _shape(row), now)
    filled = replace(facts, status=OrderStatus.FILLED) if row.filled == order.quantity else facts
    reconciliation.apply(row.account.connection, orders=[filled], now=now)
    order.refresh_from_db()
    return order


def _shape(row: UnclaimedOrder) -> Shape:
    """As IBKR's list shows it. By its fills alone, it is what needs no price."""
    known = row.type in _NEEDS and all(getattr(row, name) for name in _NEEDS[OrderType(row.type)])
    kind = OrderType(row.type) if known else OrderType.MARKET
    needed = _NEEDS.get(kind, ())
    return Shape(
        type=str(kind),
        time_in_force=str(TimeInForce.DAY),
        quantity=row.largest,
        limit_price=row.limit_price if "limit_price" in needed else None,
        stop_price=row.stop_price if "stop_price" in needed else None,
        filled=row.filled,
    )


def _facts(row: UnclaimedOrder) -> OrderFacts:
    """What is known of it as a report: over, with what has filled."""
    return OrderFacts(
        account_id=row.account.account_id,
        broker_order_id=row.broker_order_id,
        reference=row.reference or None,
        status=OrderStatus.CANCELED,
        quantity=row.largest,
        filled_quantity=row.filled,
        conid=row.conid,
        side=Side(row.side),
        type=OrderType(row.type) if row.type in set(OrderType) else None,
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        text=ENDED,
        code="ended-before-it-was-known",
    )
