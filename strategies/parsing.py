"""Bytes -> Message, or one coded sentence. Nothing that shapes an order is ever dropped or guessed."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from brokers.domain.orders import AssetClass, OrderType
from strategies import fields
from strategies.domain import symbols
from strategies.domain.message import Action, Message
from strategies.domain.refusals import Refused, invalid
from strategies.strict_json import printable, read_object, text_of

__all__ = ["Reading", "Refused", "parse", "read", "text_of"]

EXAMPLE = '{"ticker": "SPY", "action": "buy", "quantity": 1}'
SIGNAL_ID_LENGTH = 120
MOST_WARNINGS = 50

_ACTIONS = {str(action): action for action in Action}
_ACTIONS_TO_COME = frozenset({"cancel", "add", "reverse", "breakeven"})
_ORDER_TYPES = {"market": OrderType.MARKET, "limit": OrderType.LIMIT}
_ORDER_TYPES_TO_COME = frozenset({"stop", "stop_limit", "trailing_stop"})
_TAKEN = frozenset(
    {"ticker", "action", "quantity", "price", "signalPrice", "orderType", "limitPrice", "signalId"}
)  # fmt: skip
_INFORMATIONAL = frozenset({"time", "interval", "extras", "message", "tags"})
# They change the order and we cannot do that yet: refused by name, since without them the order is another one.
_TO_COME = frozenset(
    {
        "sentiment", "stopPrice", "trailAmount", "trailPercent", "quantityType", "takeProfit", "stopLoss",
        "timeInForce", "extendedHours", "ignoreTradingWindows", "cancel", "cancelOrderType", "cancelAfter", "delay",
        "breakevenOffset", "bidAskSpreadFilter", "bidAskSpreadFilterPercent", "marketPriceType", "optionType",
        "intrinsicValue", "expiration", "strikeCount", "strikesAway", "strikePrice", "expiresAt", "test",
    }
)  # fmt: skip
_OFF_MEANS_ABSENT = frozenset({"test", "ignoreTradingWindows", "extendedHours"})
KNOWN = _TAKEN | _INFORMATIONAL | _TO_COME


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body says, and what we noticed on the way (codes such as `unknown-field:alertName`)."""

    message: Message
    warnings: tuple[str, ...] = ()


def parse(body: bytes, *, asset_class: AssetClass, allowed_tickers: Collection[str] = (), now: datetime) -> Reading:
    """The reading of a body for a strategy of this class; raises Refused."""
    return read(read_object(body), asset_class=asset_class, allowed_tickers=allowed_tickers, now=now)


def read(
    values: dict[str, Any], *, asset_class: AssetClass, allowed_tickers: Collection[str] = (), now: datetime
) -> Reading:
    """The same for an object that has been read from JSON already."""
    _require(values)
    action = fields.word("action", values["action"], _ACTIONS_WITH_THOSE_TO_COME, "invalid-action")
    blank = sorted(name for name, value in values.items() if name in KNOWN and fields.is_blank(value))
    given = {name: value for name, value in values.items() if name in KNOWN and name not in blank}
    instrument = symbols.read(values["ticker"], asset_class, now)
    if allowed_tickers and not {instrument.ticker, symbols.root(instrument)} & {t.upper() for t in allowed_tickers}:
        raise invalid(
            "unsupported-ticker",
            f"{instrument.ticker} is not on the strategy's list of tickers. Add it to the list, or send one that is.",
            field="ticker",
        )
    _refuse_what_is_to_come(action, given)

    ignored: list[str] = []
    order_type = None
    if "orderType" in given:
        order_type = fields.word("orderType", given["orderType"], _ORDER_TYPES, "invalid-order-type")
    message = Message(
        instrument=instrument,
        action=_ACTIONS[action],
        quantity=_positive(given, "quantity", "invalid-quantity"),
        signal_price=_signal_price(given, ignored),
        order_type=order_type,
        limit_price=_positive(given, "limitPrice", "invalid-limit-price"),
        signal_id=_signal_id(given),
    )
    _ignore_unfilled(given, ignored)
    unknown = sorted(f"unknown-field:{printable(name)}" for name in values if name not in KNOWN)[:MOST_WARNINGS]
    return Reading(message, (*ignored, *(f"blank-field:{name}" for name in blank), *unknown))


_ACTIONS_WITH_THOSE_TO_COME = {name: name for name in (*_ACTIONS, *sorted(_ACTIONS_TO_COME))}


def _require(values: dict[str, Any]) -> None:
    for name in ("ticker", "action"):
        if values.get(name) is None:
            close = difflib.get_close_matches(name, [key.lower() for key in itertools.islice(values, 20)], n=1)
            hint = f"Did you mean {name} by {close[0]}? Names are case-sensitive." if close else EXAMPLE
            raise invalid("invalid-payload", f"The message has no {name}. Add it.", field=name, hint=hint)
    ticker = values["ticker"]
    if not isinstance(ticker, str):
        raise invalid("invalid-payload", f"ticker is {fields.shown(ticker)}. Send it as text.", field="ticker")
    if not ticker.strip():
        raise invalid("empty-ticker-name", "ticker is empty. Name what to trade.", field="ticker", hint=EXAMPLE)
    fields.refuse_placeholder("ticker", ticker)


def _refuse_what_is_to_come(action: str, given: dict[str, Any]) -> None:
    if action in _ACTIONS_TO_COME:
        raise invalid(
            "unsupported-action", f"The action {action} is not taken yet. Use buy, sell or exit.", field="action"
        )
    for name, value in given.items():
        if name in _TO_COME and not (name in _OFF_MEANS_ABSENT and value is False):
            raise invalid(
                "unsupported-field",
                f"The field {name} is not taken yet, and the order would be another one without it. Leave it out.",
                field=name,
            )
    order_type = given.get("orderType")
    if isinstance(order_type, str) and order_type.strip().lower() in _ORDER_TYPES_TO_COME:
        raise invalid(
            "unsupported-order-type",
            f"Orders of type {order_type.strip().lower()} are not taken yet. Use market or limit.",
            field="orderType",
        )


def _positive(given: dict[str, Any], name: str, code: str) -> Any:
    return fields.above_zero(name, given[name], code) if name in given else None


def _signal_price(given: dict[str, Any], ignored: list[str]) -> Any:
    """Informational: a price we cannot use is dropped, since the order does not depend on it."""
    for name in ("signalPrice", "price"):
        if name in given:
            found = fields.number(given[name])
            if found is not None and found > 0:
                return found
            ignored.append(f"ignored-{name}")
    return None


def _signal_id(given: dict[str, Any]) -> str | None:
    value = given.get("signalId")
    if value is None:
        return None
    fields.refuse_placeholder("signalId", value)
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not text or len(text) > SIGNAL_ID_LENGTH or not text.isprintable():
        raise invalid(
            "invalid-signal-id",
            f"signalId is {fields.shown(value)}. Send text of at most {SIGNAL_ID_LENGTH} characters.",
            field="signalId",
        )
    return text


def _ignore_unfilled(given: dict[str, Any], ignored: list[str]) -> None:
    """Placeholders left in fields that only inform."""
    ignored.extend(f"ignored-{name}" for name in ("time", "interval") if fields.find_placeholder(given.get(name)))
