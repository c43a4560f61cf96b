"""What a signal may say."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokers.domain.orders import AssetClass, Instrument, OrderType


class Action(StrEnum):
    BUY = "buy"
    SELL = "sell"
    EXIT = "exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The parsed content of one signal. Quantities are shares or contracts; prices in the instrument's currency."""

    instrument: Instrument
    action: Action
    quantity: Decimal | None = None
    signal_price: Decimal | None = None
    order_type: OrderType | None = None
    limit_price: Decimal | None = None
    signal_id: str | None = None

    def reading(self) -> dict[str, Any]:
        """Our reading as plain JSON values, unset fields left out; `from_reading` is its inverse."""
        values: dict[str, Any] = {
            "action": str(self.action),
            "instrument": {"class": str(self.instrument.asset_class), "symbol": self.instrument.ticker},
        }
        if self.quantity is not None:
            values["quantity"] = {"value": plain(self.quantity), "type": "fixed_quantity"}
        if self.signal_price is not None:
            values["signal_price"] = plain(self.signal_price)
        if order := self._order():
            values["order"] = order
        if self.signal_id is not None:
            values["signal_id"] = self.signal_id
        return values

    def _order(self) -> dict[str, Any]:
        order: dict[str, Any] = {} if self.order_type is None else {"type": str(self.order_type)}
        if self.limit_price is not None:
            order["limit"] = plain(self.limit_price)
        elif self.order_type is OrderType.LIMIT:
            # A limit whose price the decision will find.
            order["limit"] = None
        return order

    @classmethod
    def from_reading(cls, reading: dict[str, Any]) -> Message:
        """The message whose reading this is."""
        instrument = reading["instrument"]
        quantity = reading.get("quantity")
        order = reading.get("order", {})
        return cls(
            instrument=Instrument(ticker=instrument["symbol"], asset_class=AssetClass(instrument["class"])),
            action=Action(reading["action"]),
            quantity=Decimal(quantity["value"]) if quantity else None,
            signal_price=_decimal(reading.get("signal_price")),
            order_type=OrderType(order["type"]) if "type" in order else None,
            limit_price=_decimal(order.get("limit")),
            signal_id=reading.get("signal_id"),
        )


def plain(value: Decimal) -> str:
    """A decimal as people write it: no exponent, no trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
