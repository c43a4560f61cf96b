"""Fills that came before anybody knew whose they are, given to their order once it is known."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Case, Exists, F, OuterRef, Q, Value, When

from brokers.domain.brokerage import OrderFacts
from brokers.domain.contracts.combos import leg_named, legs_of
from brokers.domain.orders import Side
from brokers.models import Execution, Order
from brokers.orders.fills.told import Told, names_its_fills


def attach_reported(reported: Sequence[tuple[Order, OrderFacts]], told: Told) -> list[Order]:
    """Give orders the fills of nobody that name them, by what IBKR reports of each; those that were given any."""
    # Most lists name orders whose fills all have their order.
    named = {name for row in told.of_nobody() for name in (row.reference, row.broker_order_id) if name}
    given = []
    for order, report in reported:
        number = report.broker_order_id or order.broker_order_id
        if named & {order.reference, number} and attach(order, number):
            told.stale.add(order.pk)
            given.append(order)
    return given


def in_contract_of(order: Order) -> Q:
    """Fills in the contract of an order, on its side; of a combo those of its legs, each on the leg's side."""
    legs = legs_of(order.conid)
    if legs is None:
        return Q(conid=order.conid, side=order.side)
    side = Side(order.side)
    return Q(conid=legs[0], side=str(side)) | Q(conid=legs[1], side=str(side.opposite))


def _name_in(order: Order) -> Case:
    """What each fill of an order is named: as its order is, where that names it; the leg of a combo by its combo."""
    legs = {leg: leg_named(order.ticker, order.conid, leg) for leg in legs_of(order.conid) or ()}
    named = (When(conid=leg, then=Value(name)) for leg, name in legs.items() if name)
    return Case(*named, default=Value(order.ticker) if names_its_fills(order) else F("ticker"))


def attach(order: Order, broker_order_id: str = "") -> int:
    """Give an order the fills of nobody that name it, by IBKR's number or by its reference; how many."""
    named = Q(reference=order.reference)
    if number := broker_order_id or order.broker_order_id:
        named |= Q(broker_order_id=number)
    nobodys = Execution.objects.filter(named, in_contract_of(order), account=order.account_id, order=None)
    # A fill that names another of our orders by number belongs to that order: a second order bears the first one's reference.
    others = Order.objects.filter(account=order.account_id, broker_order_id=OuterRef("broker_order_id"))
    return nobodys.exclude(~Q(broker_order_id="") & Exists(others.exclude(pk=order.pk))).update(
        # A fill of nobody that came without its currency counted as dollars, and is named as IBKR names it.
        order=order,
        ticker=_name_in(order),
        currency=order.currency,
    )
