"""How, when and whether the order is to be worked: type, prices, time in force, and the conditions on it."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from strategies.domain.message import symbols
from strategies.domain.message.message import ANY_SHAPE, Action, OrderShape
from strategies.domain.message.refusals import invalid
from strategies.domain.message.symbols import Kind
from strategies.reading import fields
from strategies.reading.sent import Given

_ORDER_TYPES = {name: name for name in ("market", "limit", "stop", "stop_limit", "trailing_stop")}
_TIFS = {name: name for name in ("day", "gtc", "opg", "cls", "ioc", "fok")}
_CONDITIONS = (
    "cancel",
    "test",
    "cancelOrderType",
    "cancelAfter",
    "delay",
    "breakevenOffset",
    "bidAskSpreadFilter",
    "bidAskSpreadFilterPercent",
    "marketPriceType",
    "ignoreTradingWindows",
    "expiresAt",
)
_SHAPES = ("orderType", "limitPrice", "stopPrice", "trailAmount", "trailPercent", "timeInForce", "extendedHours")
_MARKET_PRICES = {name: name for name in ("ask_bid", "mark", "ask", "bid", "last")}
_RELATIVE_TIME = re.compile(r"\+ ?(\d{1,6}) ?(second|minute|hour|day)s?", re.IGNORECASE)


def order(given: Given, action: Action, kind: Kind) -> OrderShape:
    if given.has_none_of(_SHAPES):
        return ANY_SHAPE
    kind_of_order = given.each(
        "orderType", lambda value: fields.word("orderType", value, _ORDER_TYPES, "invalid-order-type")
    )
    read = functools.partial(price, given)
    limit, stop = read("limitPrice", "invalid-limit-price"), read("stopPrice", "invalid-stop-price")
    amount, percent = read("trailAmount", "invalid-trailing-stop"), read("trailPercent", "invalid-trailing-stop")
    _check_trail(kind_of_order, amount, percent, action)
    extended = given.each("extendedHours", lambda value: fields.flag("extendedHours", value, "invalid-extended-hours"))
    if extended and kind not in {Kind.STOCK, Kind.OPTION}:
        raise invalid(
            "invalid-extended-hours",
            f"extendedHours is for stocks and options, and this strategy trades {symbols.WORDS[kind][1]}. Leave it out.",
            field="extendedHours",
        )
    sent = {name for name, value in (("limit", limit), ("stop", stop)) if value is not None}
    needs = {"limit": ("limit",), "stop": ("stop",), "stop_limit": ("limit", "stop")}.get(kind_of_order or "", ())
    return OrderShape(
        type=kind_of_order,
        limit=limit,
        stop=stop,
        trail_amount=amount,
        trail_percent=percent,
        tif=given.each("timeInForce", lambda value: fields.word("timeInForce", value, _TIFS, "invalid-time-in-force")),
        extended=extended,
        # A breakeven's price is the entry's, so nothing is left open there.
        prices_from_quote=() if action is Action.BREAKEVEN else tuple(name for name in needs if name not in sent),
    )


def price(given: Given, name: str, code: str) -> Decimal | None:
    found: Decimal | None = given.each(name, lambda value: fields.above_zero(name, value, code))
    return found


def _check_trail(order_type: str | None, amount: Decimal | None, percent: Decimal | None, action: Action) -> None:
    trails = (amount is not None) + (percent is not None)
    if order_type == "trailing_stop" and action not in {Action.BUY, Action.SELL, Action.EXIT, Action.REVERSE}:
        problem = f"A trailing stop does not go with the action {action}."
    elif trails == 2:
        problem = "trailAmount and trailPercent exclude each other. Send one of them."
    elif order_type == "trailing_stop" and not trails:
        problem = "A trailing stop needs trailAmount or trailPercent. Add one of them."
    elif trails and order_type not in {None, "trailing_stop"}:
        problem = f"trailAmount and trailPercent do not go with orderType {order_type}. Send trailing_stop."
    else:
        return
    raise invalid("invalid-trailing-stop", problem, field="orderType")


def conditions(given: Given, now: datetime) -> dict[str, Any]:
    """When, whether and at what quote the order may go."""
    if given.has_none_of(_CONDITIONS):
        return {}

    def flag(name: str, code: str) -> Any:
        return given.each(name, lambda value: fields.flag(name, value, code))

    def zero_or_more(name: str, code: str) -> Any:
        return given.each(name, lambda value: fields.zero_or_more(name, value, code))

    return {
        "cancel": given.each("cancel", lambda value: fields.literal("cancel", value, "invalid-cancel")),
        "test": given.each("test", lambda value: fields.literal("test", value, "invalid-test")),
        "cancel_order_type": given.each(
            "cancelOrderType",
            lambda value: fields.word("cancelOrderType", value, _ORDER_TYPES, "invalid-cancel-order-type"),
        ),
        "cancel_after": whole(given, "cancelAfter", "invalid-cancel-after", 1, 3600),
        "delay": whole(given, "delay", "invalid-delay", 0, 3600),
        "breakeven_offset": zero_or_more("breakevenOffset", "invalid-breakeven-offset"),
        "bid_ask_spread_filter": zero_or_more("bidAskSpreadFilter", "invalid-bid-ask-spread-filter"),
        "bid_ask_spread_filter_percent": zero_or_more(
            "bidAskSpreadFilterPercent", "invalid-bid-ask-spread-filter-percent"
        ),
        "market_price_type": given.each(
            "marketPriceType",
            lambda value: fields.word("marketPriceType", value, _MARKET_PRICES, "invalid-market-price-type"),
        ),
        "ignore_trading_windows": flag("ignoreTradingWindows", "invalid-ignore-trading-windows"),
        "expires_at": given.each("expiresAt", lambda value: _expires_at(value, now)),
    }


def _expires_at(value: object, now: datetime) -> datetime:
    fields.refuse_placeholder("expiresAt", value)
    match = _RELATIVE_TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    found = now + timedelta(**{f"{match[2].lower()}s": int(match[1])}) if match else fields.moment(value)
    if found is None:
        raise invalid(
            "invalid-expires-at",
            f"expiresAt is {fields.shown(value)}. Send a moment such as 2026-11-20T15:00:00Z, or +5 minutes.",
            field="expiresAt",
        )
    return found.astimezone(UTC)


def whole(given: Given, name: str, code: str, low: int, high: int) -> int | None:
    """A whole number within bounds, or None when it was not sent."""
    found: int | None = given.each(name, lambda value: fields.whole(name, value, code, low, high))
    return found
