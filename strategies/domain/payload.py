"""Everything a message may say, read: the whole contract as one value, and its canonical form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from strategies.domain.message import plain
from strategies.domain.options import Wish
from strategies.domain.symbols import Symbol


class Verb(StrEnum):
    """The actions of the contract."""

    BUY = "buy"
    SELL = "sell"
    EXIT = "exit"
    CANCEL = "cancel"
    ADD = "add"
    REVERSE = "reverse"
    BREAKEVEN = "breakeven"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderShape:
    """How the order is to be worked. `prices_from_quote` names the prices the type needs and the message leaves open."""

    type: str | None = None
    limit: Decimal | None = None
    stop: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    tif: str | None = None
    extended: bool | None = None
    prices_from_quote: tuple[str, ...] = ()

    def canonical(self) -> dict[str, Any]:
        values: dict[str, Any] = {"type": self.type}
        for name in ("limit", "stop", "trail_amount", "trail_percent"):
            price = getattr(self, name)
            values[name] = None if price is None else plain(price)
        values |= {"tif": self.tif, "extended": self.extended}
        return {name: value for name, value in values.items() if value is not None or name in self.prices_from_quote}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """A take-profit or stop-loss leg: one mode (percent, amount, stopPrice, ...) and its value."""

    mode: str
    value: Decimal
    type: str | None = None
    limit: Decimal | None = None

    def canonical(self, *, typed: bool) -> dict[str, Any]:
        values: dict[str, Any] = {"type": self.type} if typed else {}
        values |= {"mode": self.mode, "value": plain(self.value)}
        return values if self.limit is None else {**values, "limit": plain(self.limit)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One message. What is None was not sent."""

    verb: Verb
    symbol: Symbol
    sentiment: str | None = None
    quantity: Decimal | None = None
    quantity_type: str = "fixed_quantity"
    signal_price: Decimal | None = None
    signal_time: datetime | None = None
    signal_id: str | None = None
    order: OrderShape = OrderShape()
    take_profit: Bracket | None = None
    stop_loss: Bracket | None = None
    option: Wish | None = None
    cancel: bool | None = None
    cancel_order_type: str | None = None
    cancel_after: int | None = None
    delay: int | None = None
    breakeven_offset: Decimal | None = None
    bid_ask_spread_filter: Decimal | None = None
    bid_ask_spread_filter_percent: Decimal | None = None
    market_price_type: str | None = None
    ignore_trading_windows: bool | None = None
    expires_at: datetime | None = None
    test: bool | None = None
    message: str | None = None
    tags: tuple[str, ...] | None = None
    extras: dict[str, Any] | None = None

    def canonical(self) -> dict[str, Any]:
        """The reading as plain JSON values, what was not sent left out."""
        values: dict[str, Any] = {
            "action": str(self.verb),
            "sentiment": self.sentiment,
            "instrument": self.symbol.canonical(),
            "quantity": None,
            "signal_price": self.signal_price,
            "signal_time": self.signal_time,
            "signal_id": self.signal_id,
            "order": self.order.canonical() or None,
            "take_profit": self.take_profit and self.take_profit.canonical(typed=False),
            "stop_loss": self.stop_loss and self.stop_loss.canonical(typed=True),
            "option": (self.option and self.option.canonical()) or None,
        }
        if self.quantity is not None:
            values["quantity"] = {"value": plain(self.quantity), "type": self.quantity_type}
        for name in _PLAIN_FIELDS:
            values[name] = getattr(self, name)
        return {name: _plain(value) for name, value in values.items() if value is not None}


_PLAIN_FIELDS = (
    "cancel", "cancel_order_type", "cancel_after", "delay", "breakeven_offset", "bid_ask_spread_filter",
    "bid_ask_spread_filter_percent", "market_price_type", "ignore_trading_windows", "expires_at", "test", "message",
    "tags", "extras",
)  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return moment(value)
    return list(value) if isinstance(value, tuple) else value


def moment(at: datetime) -> str:
    """A moment in UTC, as exact as it was sent."""
    return at.astimezone(UTC).isoformat(timespec="auto").replace("+00:00", "Z").replace("000Z", "Z")
