"""Legs as IBKR's order tickets. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brokers.domain.brokerage import Leg, OrderRefused
from brokers.domain.contracts.combos import legs_of
from brokers.domain.orders import OF_FUTURES, TRAILING, Contract, OrderIntent, OrderType, TimeInForce
from brokers.ibkr.contracts import combos
from brokers.ibkr.numbers import plain
from brokers.ibkr.words import (
    ALLOCATION_METHODS,
    AT_THE_CLOSE,
    ORDER_TYPES,
    SECURITY_TYPES,
    SIDES,
    TIMES_IN_FORCE,
)


def account_of(account_id: str, legs: Sequence[Leg]) -> str:
    """The account in the path: an advisor's order for a group names the group instead of the account."""
    allocation = legs[0].intent.allocation
    return allocation.group if allocation else account_id


def ticket(leg: Leg, *, account_id: str, operator: str) -> dict[str, Any]:
    """One order as IBKR wants it; the reference travels as cOID."""
    intent, contract = leg.intent, leg.contract
    fields: dict[str, Any] = {
        "acctId": account_of(account_id, [leg]),
        **_named(contract),
        "cOID": leg.reference,
        "orderType": _type(intent),
        "side": SIDES[intent.side],
        "tif": TIMES_IN_FORCE[intent.time_in_force],
        "quantity": plain(intent.quantity),
        **_prices(intent),
    }
    if leg.parent_reference:
        fields["parentId"] = leg.parent_reference
    if leg.in_group:
        fields["isSingleGroup"] = True
    if intent.outside_rth:
        # Sent only when asked for: IBKR refuses the mere attribute on orders that cannot have it.
        fields["outsideRTH"] = True
    if intent.allocation:
        fields["allocationMethod"] = ALLOCATION_METHODS.get(intent.allocation.method, intent.allocation.method)
    if contract.instrument.asset_class in OF_FUTURES:
        fields |= {"manualIndicator": False, "extOperator": operator}
    return fields


def _named(contract: Contract) -> dict[str, Any]:
    """What the order is in: a contract by its number, a combo by its legs and without one."""
    if legs_of(contract.conid) is not None:
        return {"conidex": combos.conidex(contract.conid)}
    kind = SECURITY_TYPES[contract.instrument.asset_class]
    return {"conid": contract.conid, "secType": f"{contract.conid}:{kind}"}


def _type(intent: OrderIntent) -> str:
    """IBKR's word for the type; an auction takes market and limit orders only."""
    auction = intent.time_in_force in {TimeInForce.OPG, TimeInForce.CLS}
    if auction and intent.type not in AT_THE_CLOSE:
        raise OrderRefused(
            f"A {str(intent.type).replace('_', '-')} order does not go into an auction. Send market or limit.",
            code="auction-type",
        )
    return (AT_THE_CLOSE if intent.time_in_force is TimeInForce.CLS else ORDER_TYPES)[intent.type]


def _prices(intent: OrderIntent) -> dict[str, Any]:
    """IBKR calls the stop of a STP `price`; the stop of a STOP_LIMIT and the touch of a MIT or LIT `auxPrice`."""
    match intent.type:
        case OrderType.LIMIT:
            prices = {"price": intent.limit_price}
        case OrderType.STOP:
            prices = {"price": intent.stop_price}
        case OrderType.MIDPRICE:
            prices = {} if intent.limit_price is None else {"price": intent.limit_price}
        case OrderType.MARKET_IF_TOUCHED:
            prices = {"auxPrice": intent.stop_price}
        case OrderType.STOP_LIMIT | OrderType.LIMIT_IF_TOUCHED | OrderType.TRAILING_STOP_LIMIT:
            prices = {"price": intent.limit_price, "auxPrice": intent.stop_price}
        case _:
            prices = {}
    if None in prices.values():
        raise OrderRefused(
            f"A {str(intent.type).replace('_', '-')} order needs all its prices; one is missing.",
            code="price-missing",
        )
    written = {name: plain(price) for name, price in prices.items() if price is not None}
    return written | _trail(intent) if intent.type in TRAILING else written


def _trail(intent: OrderIntent) -> dict[str, Any]:
    """How far behind the market the stop follows: an amount or a percentage."""
    amount, percent = intent.trail_amount, intent.trail_percent
    if (amount is None) == (percent is None):
        raise OrderRefused("A trailing-stop order needs one distance: an amount or a percentage.", code="price-missing")
    if percent is not None:
        return {"trailingType": "%", "trailingAmt": plain(percent)}
    assert amount is not None
    return {"trailingType": "amt", "trailingAmt": plain(amount)}
