"""Legs as IBKR's order tickets. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brokers.domain.orders import AssetClass, OrderIntent, OrderType
from brokers.ibkr.words import ALLOCATION_METHODS, ORDER_TYPES, SECURITY_TYPES, SIDES, TIMES_IN_FORCE, plain
from brokers.ports import Leg, OrderRefused


def account_of(account_id: str, legs: Sequence[Leg]) -> str:
    """The account in the path: an advisor's order for a group names the group instead of the account."""
    allocation = legs[0].intent.allocation
    return allocation.group if allocation else account_id


def ticket(leg: Leg, *, account_id: str, operator: str) -> dict[str, Any]:
    """One order as IBKR wants it; the reference travels as cOID."""
    intent, contract = leg.intent, leg.contract
    fields: dict[str, Any] = {
        "acctId": account_of(account_id, [leg]),
        "conid": contract.conid,
        "secType": f"{contract.conid}:{SECURITY_TYPES[contract.instrument.asset_class]}",
        "cOID": leg.reference,
        "orderType": ORDER_TYPES[intent.type],
        "side": SIDES[intent.side],
        "tif": TIMES_IN_FORCE[intent.time_in_force],
        "quantity": plain(intent.quantity),
        **_prices(intent),
    }
    if leg.parent_reference:
        fields["parentId"] = leg.parent_reference
    if intent.outside_rth:
        # Sent only when wanted: IBKR refuses the mere attribute on orders that cannot have it.
        fields["outsideRTH"] = True
    if intent.allocation:
        fields["allocationMethod"] = ALLOCATION_METHODS.get(intent.allocation.method, intent.allocation.method)
    if contract.instrument.asset_class is AssetClass.FUTURE:
        fields |= {"manualIndicator": False, "extOperator": operator}
    return fields


def _prices(intent: OrderIntent) -> dict[str, Any]:
    """IBKR calls the stop of a STP `price`, and the stop of a STOP_LIMIT `auxPrice`."""
    match intent.type:
        case OrderType.LIMIT:
            wanted = {"price": intent.limit_price}
        case OrderType.STOP:
            wanted = {"price": intent.stop_price}
        case OrderType.STOP_LIMIT:
            wanted = {"price": intent.limit_price, "auxPrice": intent.stop_price}
        case _:
            wanted = {}
    if None in wanted.values():
        raise OrderRefused(
            f"A {str(intent.type).replace('_', '-')} order needs all its prices; one is missing.",
            code="price-missing",
        )
    return {name: plain(price) for name, price in wanted.items() if price is not None}
