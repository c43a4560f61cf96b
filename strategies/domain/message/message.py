"""The message: everything a signal may say as one value, and its canonical form, the reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokers.domain.contracts.options import root_of
from brokers.domain.orders import AssetClass, Instrument, MoveTo, StopMove
from strategies.domain.message.sender_position import UNKNOWN, SenderPosition
from strategies.domain.message.symbols import Symbol
from strategies.domain.message.wishes import NO_WISH, Wish
from strategies.domain.numbers import plain


class Action(StrEnum):
    """The actions of the contract."""

    BUY = "buy"
    SELL = "sell"
    EXIT = "exit"
    CANCEL = "cancel"
    ADD = "add"
    REVERSE = "reverse"
    BREAKEVEN = "breakeven"
    MODIFY = "modify"


# Take profits of one entry: each is an order at IBKR with a part of the stop beside it.
MOST_RUNGS = 5
_SHAPE_PRICES = ("limit", "stop", "touch", "trail_amount", "trail_percent", "limit_offset")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderShape:
    """How the order is to be worked. `prices_from_quote` names the prices the type needs and the message leaves open."""

    type: str | None = None
    limit: Decimal | None = None
    stop: Decimal | None = None
    touch: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    limit_offset: Decimal | None = None
    tif: str | None = None
    # With the time in force gtd: a moment in UTC, one without a zone, or a day (`message.good_till`).
    good_till: str | None = None
    extended: bool | None = None
    prices_from_quote: tuple[str, ...] = ()

    def canonical(self) -> dict[str, Any]:
        values: dict[str, Any] = {"type": self.type}
        for name in _SHAPE_PRICES:
            price = getattr(self, name)
            values[name] = None if price is None else plain(price)
        values |= {"tif": self.tif, "good_till": self.good_till, "extended": self.extended}
        return {name: value for name, value in values.items() if value is not None or name in self.prices_from_quote}

    @classmethod
    def from_reading(cls, values: dict[str, Any]) -> OrderShape:
        prices = {name: _decimal(values.get(name)) for name in _SHAPE_PRICES}
        return cls(
            type=values.get("type"),
            **prices,
            tif=values.get("tif"),
            good_till=values.get("good_till"),
            extended=values.get("extended"),
            prices_from_quote=tuple(name for name in ("limit", "stop") if name in values and values[name] is None),
        )


ANY_SHAPE = OrderShape()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """A take-profit or stop-loss leg: one mode (percent, amount, stopPrice, ...) and its value.

    `offset`: how far beyond its stop the limit of a trailing stop limit is.
    """

    mode: str
    value: Decimal
    type: str | None = None
    limit: Decimal | None = None
    offset: Decimal | None = None
    # Of a stop: what becomes of it once targets of its entry have filled.
    moves: StopMove | None = None

    def canonical(self, *, typed: bool) -> dict[str, Any]:
        values: dict[str, Any] = {"type": self.type} if typed else {}
        values |= {"mode": self.mode, "value": plain(self.value)}
        for name, price in (("limit", self.limit), ("offset", self.offset)):
            if price is not None:
                values[name] = plain(price)
        if self.moves is not None:
            values["moves"] = {"after": self.moves.after, "to": str(self.moves.to), "by": plain(self.moves.by)}
        return values

    @classmethod
    def from_reading(cls, values: dict[str, Any] | None) -> Bracket | None:
        if values is None:
            return None
        return cls(
            mode=values["mode"],
            value=Decimal(values["value"]),
            type=values.get("type"),
            limit=_decimal(values.get("limit")),
            offset=_decimal(values.get("offset")),
            moves=_move(values.get("moves")),
        )


def _move(values: dict[str, Any] | None) -> StopMove | None:
    if values is None:
        return None
    return StopMove(after=int(values["after"]), to=MoveTo(values["to"]), by=Decimal(values["by"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One of several take profits: where it is, and how much of the entry it closes: units, or hundredths of the entry.

    With neither it takes an equal part of what the others leave.
    """

    target: Bracket
    quantity: Decimal | None = None
    percent: Decimal | None = None

    def canonical(self) -> dict[str, Any]:
        values = self.target.canonical(typed=False)
        if self.quantity is not None:
            values["quantity"] = plain(self.quantity)
        if self.percent is not None:
            values["percent_of_entry"] = plain(self.percent)
        return values

    @classmethod
    def from_reading(cls, values: dict[str, Any]) -> Rung:
        return cls(
            target=Bracket(mode=values["mode"], value=Decimal(values["value"])),
            quantity=_decimal(values.get("quantity")),
            percent=_decimal(values.get("percent_of_entry")),
        )


@dataclass(frozen=True, slots=True)
class Ladder:
    """Several take profits of one entry, the nearest to it first."""

    rungs: tuple[Rung, ...]

    def canonical(self, *, typed: bool = False) -> list[dict[str, Any]]:
        """Its JSON values; `typed` has no meaning here, as no rung has a type."""
        return [rung.canonical() for rung in self.rungs]


def targets_from_reading(values: dict[str, Any] | list[dict[str, Any]] | None) -> Bracket | Ladder | None:
    """The inverse of `canonical` of one take profit, or of several."""
    if isinstance(values, list):
        return Ladder(tuple(Rung.from_reading(each) for each in values))
    return Bracket.from_reading(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The parsed content of one signal. None was not sent; prices are in the contract's currency, moments aware."""

    action: Action
    symbol: Symbol
    sentiment: str | None = None
    quantity: Decimal | None = None
    quantity_type: str = "fixed_quantity"
    target_quantity: Decimal | None = None
    signal_price: Decimal | None = None
    signal_time: datetime | None = None
    # It was sent a time, and nobody can say how old it is.
    unreadable_time: bool | None = None
    signal_id: str | None = None
    order_id: str | None = None
    # The signalId, the orderId or a tag of the signal whose orders are to be modified.
    entry_id: str | None = None
    sender_position: SenderPosition = UNKNOWN
    order: OrderShape = ANY_SHAPE
    take_profit: Bracket | Ladder | None = None
    stop_loss: Bracket | None = None
    option: Wish = NO_WISH
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

    @property
    def instrument(self) -> Instrument | None:
        """What an order would name; None for the kinds we do not trade."""
        return self.symbol.instrument()

    @property
    def place(self) -> Instrument | None:
        """Where it stands in line within an account: its instrument, and for options all on one share together, since a
        signal by parts may mean any of them."""
        if self.symbol.kind.is_option:
            return Instrument(ticker=root_of(self.symbol.root), asset_class=AssetClass(self.symbol.kind))
        return self.instrument

    def reading(self) -> dict[str, Any]:
        """Our reading as plain JSON values, what was not sent left out; `from_reading` is its inverse."""
        # Written out rather than looped over: every signal passes here before it is answered.
        values: dict[str, Any] = {"action": str(self.action), "instrument": self.symbol.canonical()}
        if self.sentiment is not None:
            values["sentiment"] = self.sentiment
        if self.quantity is not None:
            values["quantity"] = {"value": plain(self.quantity), "type": self.quantity_type}
        if self.signal_price is not None:
            values["signal_price"] = plain(self.signal_price)
        if self.signal_time is not None:
            values["signal_time"] = moment(self.signal_time)
        if self.signal_id is not None:
            values["signal_id"] = self.signal_id
        if self.sender_position is not UNKNOWN and (around := self.sender_position.canonical()):
            values["sender_position"] = around
        if self.order is not ANY_SHAPE and (order := self.order.canonical()):
            values["order"] = order
        if self.take_profit is not None:
            values["take_profit"] = self.take_profit.canonical(typed=False)
        if self.stop_loss is not None:
            values["stop_loss"] = self.stop_loss.canonical(typed=True)
        if self.option is not NO_WISH and (option := self.option.canonical()):
            values["option"] = option
        for name in _PLAIN_FIELDS:
            value = getattr(self, name)
            if value is not None:
                values[name] = _plain(value)
        return values

    @classmethod
    def from_reading(cls, reading: dict[str, Any]) -> Message:
        """The message whose reading this is."""
        quantity = reading.get("quantity")
        values: dict[str, Any] = {name: reading.get(name) for name in _PLAIN_FIELDS}
        values |= {name: _decimal(values[name]) for name in _DECIMAL_FIELDS}
        if values["tags"] is not None:
            values["tags"] = tuple(values["tags"])
        if quantity is not None:
            values |= {"quantity": Decimal(quantity["value"]), "quantity_type": quantity["type"]}
        return cls(
            action=Action(reading["action"]),
            symbol=Symbol.from_reading(reading["instrument"]),
            sentiment=reading.get("sentiment"),
            signal_price=_decimal(reading.get("signal_price")),
            signal_time=_moment(reading.get("signal_time")),
            signal_id=reading.get("signal_id"),
            sender_position=SenderPosition.from_reading(around)
            if (around := reading.get("sender_position"))
            else UNKNOWN,
            order=OrderShape.from_reading(reading.get("order", {})),
            take_profit=targets_from_reading(reading.get("take_profit")),
            stop_loss=Bracket.from_reading(reading.get("stop_loss")),
            option=Wish.from_reading(reading.get("option", {})),
            **(values | {"expires_at": _moment(values["expires_at"])}),
        )


_DECIMAL_FIELDS = ("target_quantity", "breakeven_offset", "bid_ask_spread_filter", "bid_ask_spread_filter_percent")
_PLAIN_FIELDS = (
    "unreadable_time",
    "order_id",
    "entry_id",
    "target_quantity",
    "cancel",
    "cancel_order_type",
    "cancel_after",
    "delay",
    "breakeven_offset",
    "bid_ask_spread_filter",
    "bid_ask_spread_filter_percent",
    "market_price_type",
    "ignore_trading_windows",
    "expires_at",
    "test",
    "message",
    "tags",
    "extras",
)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return moment(value)
    return list(value) if isinstance(value, tuple) else value


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def moment(at: datetime) -> str:
    """A moment in UTC, as exact as it was sent."""
    return at.astimezone(UTC).isoformat(timespec="auto").replace("+00:00", "Z").replace("000Z", "Z")
