"""An order as the row of a what-if keeps it, and as a leg that can be previewed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from brokers.domain.brokerage import Leg
from brokers.domain.orders import (
    Allocation,
    AssetClass,
    Instrument,
    OrderIntent,
    OrderType,
    Role,
    Side,
    TimeInForce,
)
from brokers.models import ContractLookup, WhatIf

_PRICES = ("limit_price", "stop_price", "trail_amount", "trail_percent")


def described(intent: OrderIntent) -> dict[str, Any]:
    """An order in plain JSON values, decimals as text; what follows it is left out."""
    return {
        "role": str(intent.role),
        "ticker": intent.instrument.ticker,
        "asset_class": str(intent.instrument.asset_class),
        "side": str(intent.side),
        "type": str(intent.type),
        "quantity": f"{intent.quantity:f}",
        **{name: None if (price := getattr(intent, name)) is None else f"{price:f}" for name in _PRICES},
        "time_in_force": str(intent.time_in_force),
        "outside_rth": intent.outside_rth,
        "fa_group": intent.allocation.group if intent.allocation else "",
        "fa_method": intent.allocation.method if intent.allocation else "",
    }


def intent_of(request: dict[str, Any]) -> OrderIntent:
    """The inverse of `described`."""
    group = request["fa_group"]
    return OrderIntent(
        role=Role(request["role"]),
        instrument=Instrument(ticker=request["ticker"], asset_class=AssetClass(request["asset_class"])),
        side=Side(request["side"]),
        type=OrderType(request["type"]),
        quantity=Decimal(request["quantity"]),
        limit_price=_price(request["limit_price"]),
        stop_price=_price(request["stop_price"]),
        trail_amount=_price(request["trail_amount"]),
        trail_percent=_price(request["trail_percent"]),
        time_in_force=TimeInForce(request["time_in_force"]),
        outside_rth=request["outside_rth"],
        allocation=Allocation(group=group, method=request["fa_method"]) if group else None,
    )


def _price(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def leg_of(row: WhatIf) -> Leg | None:
    """The order to ask about; None where its contract is not known any more."""
    intent = intent_of(row.request)
    lookup = ContractLookup.objects.filter(
        connection=row.account.connection_id,
        ticker=intent.instrument.ticker,
        asset_class=str(intent.instrument.asset_class),
        status=ContractLookup.Status.FOUND,
    ).first()
    return None if lookup is None else Leg(intent=intent, reference="", contract=lookup.value())
