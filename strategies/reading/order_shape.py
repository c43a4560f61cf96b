"""How, when and whether the order is to be worked: type, prices, time in force, and the conditions on it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.domain.orders import FOR_AUCTIONS, TOUCHED, TRAILING, OrderType
from strategies.domain.message import symbols
from strategies.domain.message.message import ANY_SHAPE, Action, OrderShape
from strategies.domain.message.refusals import invalid
from strategies.domain.message.symbols import Kind
from strategies.reading import fields, good_till
from strategies.reading.fields import names, vocabulary
from strategies.reading.sent import SentFields

_WORKING_TYPES = vocabulary(" ".join(OrderType))
_ORDER_TYPES = vocabulary(" ".join([*OrderType, *FOR_AUCTIONS]))
_TOUCHED, _TRAILING = frozenset(map(str, TOUCHED)), frozenset(map(str, TRAILING))
_NEEDED = {
    "limit": ("limit",),
    "stop": ("stop",),
    "stop_limit": ("limit", "stop"),
    "limit_on_open": ("limit",),
    "limit_on_close": ("limit",),
}
_TIFS = vocabulary("day gtc gtd opg cls ioc fok")
_MARKET_PRICES = vocabulary("ask_bid mark ask bid last")
_SHAPES = names(
    "orderType limitPrice stopPrice touchPrice trailAmount trailPercent limitOffset timeInForce goodTillDate extendedHours"
)
_CONDITIONS = (
    *names("cancel test cancelOrderType cancelAfter delay breakevenOffset bidAskSpreadFilter"),
    *names("bidAskSpreadFilterPercent marketPriceType ignoreTradingWindows expiresAt"),
)
_RELATIVE_TIME = re.compile(r"\+ ?(\d{1,6}) ?(second|minute|hour|day)s?", re.IGNORECASE)


def order(sent: SentFields, action: Action, kind: Kind, now: datetime) -> OrderShape:
    """How the order is to be worked; ANY_SHAPE when the message says nothing of it."""
    if sent.has_none_of(_SHAPES):
        return ANY_SHAPE
    order_type = sent.read("orderType", fields.word, _ORDER_TYPES, "invalid-order-type")
    limit = sent.read("limitPrice", fields.above_zero, "invalid-limit-price")
    stop = sent.read("stopPrice", fields.above_zero, "invalid-stop-price")
    touch = sent.read("touchPrice", fields.above_zero, "invalid-touch-price")
    amount = sent.read("trailAmount", fields.above_zero, "invalid-trailing-stop")
    percent = sent.read("trailPercent", fields.above_zero, "invalid-trailing-stop")
    offset = sent.read("limitOffset", fields.zero_or_more, "invalid-limit-offset")
    _check_trail(order_type, amount, percent, action)
    _check_offset(order_type, offset)
    _check_touch(order_type, touch)
    extended = sent.read("extendedHours", fields.flag, "invalid-extended-hours")
    if extended and kind not in {Kind.STOCK, Kind.OPTION}:
        raise invalid(
            "invalid-extended-hours",
            f"extendedHours is for stocks and options, and this strategy trades {symbols.WORDS[kind][1]}. Leave it out.",
            field="extendedHours",
        )
    tif = sent.read("timeInForce", fields.word, _TIFS, "invalid-time-in-force")
    _check_auction(order_type, tif)
    end = sent.read("goodTillDate", good_till.read, now)
    tif = good_till.time_in_force(tif, end, order_type)
    missing = tuple(name for name in _NEEDED.get(order_type or "", ()) if {"limit": limit, "stop": stop}[name] is None)
    return OrderShape(
        type=order_type,
        limit=limit,
        stop=stop,
        touch=touch,
        trail_amount=amount,
        trail_percent=percent,
        limit_offset=offset,
        tif=tif,
        good_till=end,
        extended=extended,
        # A breakeven's price is the entry's, so no quote is needed for it.
        prices_from_quote=() if action is Action.BREAKEVEN else missing,
    )


def _check_trail(order_type: str | None, amount: Decimal | None, percent: Decimal | None, action: Action) -> None:
    trails = (amount is not None) + (percent is not None)
    if order_type in _TRAILING and action not in {Action.BUY, Action.SELL, Action.EXIT, Action.REVERSE}:
        problem = f"A trailing stop does not go with the action {action}."
    elif trails == 2:
        problem = "trailAmount and trailPercent exclude each other. Send one of them."
    elif order_type in _TRAILING and not trails:
        problem = "A trailing stop needs trailAmount or trailPercent. Add one of them."
    elif trails and order_type not in {None, *_TRAILING}:
        problem = f"trailAmount and trailPercent do not go with orderType {order_type}. Send trailing_stop."
    else:
        return
    raise invalid("invalid-trailing-stop", problem, field="orderType")


def _check_offset(order_type: str | None, offset: Decimal | None) -> None:
    if offset is None or order_type in {None, str(OrderType.TRAILING_STOP_LIMIT)}:
        return
    problem = f"limitOffset does not go with orderType {order_type}. Send trailing_stop_limit, or leave it out."
    raise invalid("invalid-limit-offset", problem, field="limitOffset")


def _check_auction(order_type: str | None, tif: str | None) -> None:
    if order_type not in FOR_AUCTIONS or tif in {None, str(FOR_AUCTIONS[order_type][1])}:
        return
    problem = f"An order of type {order_type} is for an auction, and timeInForce {tif} is not. Leave timeInForce out."
    raise invalid("invalid-time-in-force", problem, field="timeInForce")


def _check_touch(order_type: str | None, touch: Decimal | None) -> None:
    if order_type in _TOUCHED and touch is None:
        problem = f"An order of type {order_type} needs touchPrice: a buy waits below the market, a sell above. Add it."
    elif touch is not None and order_type not in {None, *_TOUCHED}:
        problem = f"touchPrice does not go with orderType {order_type}. Send market_if_touched or limit_if_touched."
    else:
        return
    raise invalid("invalid-touch-price", problem, field="touchPrice")


def conditions(sent: SentFields, now: datetime) -> dict[str, Any]:
    """When, whether and at what quote the order may go, as arguments of Message."""
    if sent.has_none_of(_CONDITIONS):
        return {}
    return {
        "cancel": sent.read("cancel", fields.literal, "invalid-cancel"),
        "test": sent.read("test", fields.literal, "invalid-test"),
        "cancel_order_type": sent.read("cancelOrderType", fields.word, _WORKING_TYPES, "invalid-cancel-order-type"),
        "cancel_after": sent.read("cancelAfter", fields.whole, "invalid-cancel-after", 1, 3600),
        "delay": sent.read("delay", fields.whole, "invalid-delay", 0, 3600),
        "breakeven_offset": sent.read("breakevenOffset", fields.zero_or_more, "invalid-breakeven-offset"),
        "bid_ask_spread_filter": sent.read("bidAskSpreadFilter", fields.zero_or_more, "invalid-bid-ask-spread-filter"),
        "bid_ask_spread_filter_percent": sent.read(
            "bidAskSpreadFilterPercent", fields.zero_or_more, "invalid-bid-ask-spread-filter-percent"
        ),
        "market_price_type": sent.read("marketPriceType", fields.word, _MARKET_PRICES, "invalid-market-price-type"),
        "ignore_trading_windows": sent.read("ignoreTradingWindows", fields.flag, "invalid-ignore-trading-windows"),
        "expires_at": sent.read("expiresAt", _expires_at, now),
    }


def _expires_at(name: str, value: object, now: datetime) -> datetime:
    fields.refuse_placeholder(name, value)
    match = _RELATIVE_TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    at = now + timedelta(**{f"{match[2].lower()}s": int(match[1])}) if match else fields.moment(value)
    if at is None:
        raise invalid(
            "invalid-expires-at",
            f"{name} is {fields.shown(value)}. Send a moment such as 2026-11-20T15:00:00Z, or +5 minutes.",
            field=name,
        )
    return at.astimezone(UTC)
