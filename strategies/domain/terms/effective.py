"""Settings that hold for one order: the signal's where it may set them, else the terms', each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from brokers.domain.orders import FOR_AUCTIONS, OrderType, TimeInForce
from strategies.domain.message.message import Bracket, Ladder, Message
from strategies.domain.terms.terms import NAMES, MarketPrice, QuantityType, Terms

T = TypeVar("T")


class Source(StrEnum):
    """Whose setting it is; `default` is what a new subscription starts with."""

    SIGNAL = "signal"
    SUBSCRIPTION = "subscription"
    STRATEGY = "strategy"
    DEFAULT = "default"


class Leg(StrEnum):
    """Which of the two settings of an order apply: those for entries or those for exits."""

    ENTRY = "entry"
    EXIT = "exit"


class Chosen(NamedTuple, Generic[T]):
    """A value and its source."""

    value: T
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The merged settings of one leg."""

    quantity: Chosen[Decimal | None]
    quantity_type: Chosen[QuantityType]
    order_type: Chosen[OrderType]
    limit_price: Chosen[Decimal | None]
    stop_price: Chosen[Decimal | None]
    touch_price: Chosen[Decimal | None]
    trail_amount: Chosen[Decimal | None]
    trail_percent: Chosen[Decimal | None]
    limit_offset: Chosen[Decimal | None]
    time_in_force: Chosen[TimeInForce | str]  # text where IBKR has no such thing
    # The end of what is good till a date: the signal's word, or the days of the terms.
    good_till: Chosen[str | None]
    good_till_days: Chosen[int | None]
    extended_hours: Chosen[bool]
    market_price: Chosen[MarketPrice]
    spread_amount: Chosen[Decimal | None]
    spread_percent: Chosen[Decimal | None]
    cancel: Chosen[bool]
    cancel_after: Chosen[int | None]
    take_profit: Chosen[Bracket | Ladder | None]
    stop_loss: Chosen[Bracket | None]
    breakeven_offset: Chosen[Decimal | None]
    ignore_windows: Chosen[bool]

    def shown(self) -> dict[str, Chosen[Any]]:
        """By name, for a page that shows each value with its source."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


# What a signal may say, by the name of its field: the names `Terms.signal_fields` knows.
SIGNAL_FIELDS = (
    "quantity",
    "orderType",
    "timeInForce",
    "extendedHours",
    "marketPriceType",
    "bidAskSpreadFilter",
    "cancel",
    "cancelAfter",
    "takeProfit",
    "stopLoss",
    "breakevenOffset",
    "ignoreTradingWindows",
)
_EXIT_NAMES = frozenset(
    {
        "order_type",
        "time_in_force",
        "good_till_days",
        "outside_rth",
        "trail_amount",
        "trail_percent",
        "market_price",
        "spread_amount",
        "spread_percent",
        "cancel_after",
    }
)
_NO: Chosen[Any] = Chosen(None, Source.DEFAULT)
_DEFAULTS: dict[str, Chosen[Any]] = {name: Chosen(getattr(Terms(), name), Source.DEFAULT) for name in NAMES}
_OWN_OF_EXITS = {name: f"exit_{name}" for name in sorted(_EXIT_NAMES)}


class _Merge:
    """One message and one subscription, for one leg."""

    __slots__ = ("exits", "message", "strategy", "terms")

    def __init__(self, message: Message, terms: Terms, leg: Leg, strategy: Terms | None) -> None:
        self.message, self.terms, self.strategy = message, terms, strategy
        self.exits = leg is Leg.EXIT

    def may_signal_set(self, name: str) -> bool:
        return self.terms.allow_overrides or name in self.terms.signal_fields

    def own(self, name: str) -> Chosen[Any]:
        """The terms' value; for an exit the one for exits, where it is set."""
        if self.exits and name in _OWN_OF_EXITS:
            own = _OWN_OF_EXITS[name]
            if getattr(self.terms, own) is not None:
                return self._terms_value(own)
        return self._terms_value(name)

    def _terms_value(self, name: str) -> Chosen[Any]:
        value, default = getattr(self.terms, name), _DEFAULTS[name]
        if value is default.value or value == default.value:
            return default
        if self.strategy is not None and value == getattr(self.strategy, name):
            return Chosen(value, Source.STRATEGY)
        return Chosen(value, Source.SUBSCRIPTION)

    def pick(self, field: str, signal_value: Any, own: str) -> Chosen[Any]:
        if signal_value is not None and self.may_signal_set(field):
            return Chosen(signal_value, Source.SIGNAL)
        return self.own(own)

    def pair(self, field: str, first: Any, second: Any, own: tuple[str, str]) -> tuple[Chosen[Any], Chosen[Any]]:
        """Two values that exclude each other, both from the signal or both from the terms."""
        if (first is not None or second is not None) and self.may_signal_set(field):
            return Chosen(first, Source.SIGNAL), Chosen(second, Source.SIGNAL)
        return self._own_pair(own)

    def _own_pair(self, own: tuple[str, str]) -> tuple[Chosen[Any], Chosen[Any]]:
        if self.exits:
            first, second = _OWN_OF_EXITS[own[0]], _OWN_OF_EXITS[own[1]]
            if getattr(self.terms, first) is not None or getattr(self.terms, second) is not None:
                return self._terms_value(first), self._terms_value(second)
        return self._terms_value(own[0]), self._terms_value(own[1])


def effective(message: Message, terms: Terms, leg: Leg, *, strategy: Terms | None = None) -> Settings:
    """The settings that hold for one leg. `strategy`: the strategy's defaults, to tell which values come from them."""
    merge = _Merge(message, terms, leg, strategy)
    order, shape = message.order, merge.may_signal_set("orderType")
    quantity, quantity_type = _quantity(merge)
    trail = merge.pair("orderType", order.trail_amount, order.trail_percent, ("trail_amount", "trail_percent"))
    order_type, tif = _type_and_time(merge)
    spread = merge.pair(
        "bidAskSpreadFilter",
        message.bid_ask_spread_filter,
        message.bid_ask_spread_filter_percent,
        ("spread_amount", "spread_percent"),
    )
    return Settings(
        quantity=quantity,
        quantity_type=quantity_type,
        order_type=order_type,
        limit_price=Chosen(order.limit, Source.SIGNAL) if shape and order.limit is not None else _NO,
        stop_price=Chosen(order.stop, Source.SIGNAL) if shape and order.stop is not None else _NO,
        touch_price=Chosen(order.touch, Source.SIGNAL) if shape and order.touch is not None else _NO,
        trail_amount=trail[0],
        trail_percent=trail[1],
        limit_offset=Chosen(order.limit_offset, Source.SIGNAL) if shape and order.limit_offset is not None else _NO,
        time_in_force=tif,
        good_till=Chosen(order.good_till, Source.SIGNAL) if tif.source is Source.SIGNAL and order.good_till else _NO,
        good_till_days=_NO if tif.source is Source.SIGNAL else merge.own("good_till_days"),
        extended_hours=merge.pick("extendedHours", order.extended, "outside_rth"),
        market_price=_word(merge.pick("marketPriceType", message.market_price_type, "market_price"), _PRICES),
        spread_amount=spread[0],
        spread_percent=spread[1],
        cancel=merge.pick("cancel", message.cancel, "cancel_orders"),
        cancel_after=merge.pick("cancelAfter", message.cancel_after, "cancel_after"),
        take_profit=merge.pick("takeProfit", message.take_profit, "take_profit"),
        stop_loss=merge.pick("stopLoss", message.stop_loss, "stop_loss"),
        breakeven_offset=merge.pick("breakevenOffset", message.breakeven_offset, "breakeven_offset"),
        ignore_windows=Chosen(True, Source.SIGNAL)
        if message.ignore_trading_windows and merge.may_signal_set("ignoreTradingWindows")
        else Chosen(False, Source.DEFAULT),
    )


def _type_and_time(merge: _Merge) -> tuple[Chosen[OrderType], Chosen[TimeInForce | str]]:
    """A type that names an auction says both: it is not the type alone where a signal may say the type alone."""
    order = merge.message.order
    if order.type in FOR_AUCTIONS and merge.may_signal_set("orderType"):
        kind, tif = FOR_AUCTIONS[order.type]
        return Chosen(kind, Source.SIGNAL), Chosen(tif, Source.SIGNAL)
    named = None if order.type in FOR_AUCTIONS else order.type
    return (
        _word(merge.pick("orderType", named, "order_type"), _TYPES),
        _word(merge.pick("timeInForce", order.tif, "time_in_force"), _TIFS),
    )


def _quantity(merge: _Merge) -> tuple[Chosen[Decimal | None], Chosen[QuantityType]]:
    """Quantity and what it counts; an exit without a quantity in the signal exits all."""
    message = merge.message
    if message.quantity is not None and merge.may_signal_set("quantity"):
        return Chosen(message.quantity, Source.SIGNAL), Chosen(QuantityType(message.quantity_type), Source.SIGNAL)
    if merge.exits:
        return _NO, Chosen(QuantityType.FIXED, Source.DEFAULT)
    return merge.own("quantity"), merge.own("quantity_type")


# The words of messages are the words of the trade, but for a time in force that IBKR does not take.
_TYPES: Mapping[str, OrderType] = {str(each): each for each in OrderType}
_TIFS: Mapping[str, TimeInForce] = {str(each): each for each in TimeInForce}
_PRICES: Mapping[str, MarketPrice] = {str(each): each for each in MarketPrice}


def _word(chosen: Chosen[Any], words: Mapping[str, Any]) -> Chosen[Any]:
    if chosen.source is not Source.SIGNAL:
        return chosen
    return Chosen(words.get(chosen.value, chosen.value), chosen.source)
