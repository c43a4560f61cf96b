"""A signal and a holding, each in one line."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from brokers.domain.sentences import grouped
from brokers.domain.snapshot import WorkingOrder
from strategies.domain.decide.walkthrough import Holding
from strategies.domain.message.message import Message

# What a quantity counts, behind its number; a plain one counts units.
_UNITS = {
    "percent_of_position": " % of the position",
    "percent_of_equity": " % of the equity",
    "risk_percent": " % at risk",
    "dollar_amount": " in money",
    "notional_dollar_amount": " in money, at the strike",
    "risk_dollar_amount": " at risk",
}


def quantity_of(reading: Mapping[str, Any]) -> str:
    """The quantity of a reading with its unit: "1,000", "50 % of the position"; "" where it names none."""
    sent = reading.get("quantity") or {}
    target = reading.get("target_quantity")
    if target is not None:
        return f"to {grouped(Decimal(str(target)))}"
    if sent.get("value") is None:
        return ""
    return grouped(Decimal(str(sent["value"]))) + _UNITS.get(str(sent.get("type")), "")


def describe_message(message: Message) -> str:
    """A signal in one line: "sell 10 SPY at 100, sentiment bearish"."""
    parts = [str(message.action)]
    if message.target_quantity is not None:
        parts.append(f"to a position of {grouped(message.target_quantity)}")
    if message.quantity is not None:
        parts.append(grouped(message.quantity) + _UNITS.get(message.quantity_type, ""))
    parts.append(message.symbol.name)
    if message.signal_price is not None:
        parts.append(f"at {grouped(message.signal_price)}")
    if message.order.type:
        parts.append(f"as {message.order.type.replace('_', ' ')}")
    text = " ".join(parts)
    return text if message.sentiment is None else f"{text}, sentiment {message.sentiment}"


def describe_holding(holding: Holding) -> str:
    """What is held: "long 10 at 100, stop loss 95", or "flat"."""
    if not holding.position:
        return "flat"
    side = "long" if holding.position > 0 else "short"
    average = f" at {grouped(round(holding.average, 6))}" if holding.average is not None else ""
    legs = ", ".join(f"{str(order.role).replace('_', ' ')} {leg_price(order)}" for order in holding.working)
    return f"{side} {grouped(abs(holding.position))}{average}" + (f", {legs}" if legs else "")


def leg_price(order: WorkingOrder) -> str:
    """The price of a protective order: "95", "trailing by 2 %"."""
    if order.trail_percent is not None:
        return f"trailing by {grouped(order.trail_percent)} %"
    if order.trail_amount is not None:
        return f"trailing by {grouped(order.trail_amount)}"
    price = order.stop_price if order.stop_price is not None else order.limit_price
    return "" if price is None else grouped(price)
