"""The fields of a message, one by one, into a Message: the whole webhook contract, whether we trade it yet or not."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any

from strategies.domain.message import options, symbols
from strategies.domain.message.message import Action, Message
from strategies.domain.message.options import NO_WISH, Wish
from strategies.domain.message.refusals import invalid
from strategies.domain.message.symbols import Kind, Symbol
from strategies.reading import brackets, fields, order_shape
from strategies.reading.sent import OPTION_FIELDS, Given, blacklisted

EXAMPLE = '{"ticker": "SPY", "action": "buy", "quantity": 1}'
SIGNAL_ID_LENGTH = 120
MESSAGE_LENGTH = 500
MOST_TAGS, TAG_LENGTH = 20, 50

_ACTIONS = {str(action): action for action in Action}
_SENTIMENTS = {"bullish": "bullish", "long": "bullish", "bearish": "bearish", "short": "bearish", "flat": "flat"}
_OPTION_TYPES = {name: name for name in ("both", "call", "put")}
_INTRINSIC = {name: name for name in ("itm", "otm")}
_QUANTITY_TYPES = {
    name: name
    for name in (
        "fixed_quantity",
        "dollar_amount",
        "risk_dollar_amount",
        "risk_percent",
        "percent_of_equity",
        "percent_of_position",
    )
}
# Names the vendor's own sizing page uses for two of them.
_QUANTITY_TYPE_HINTS = {"amount_per_position": "dollar_amount", "risk_per_position": "risk_dollar_amount"}


def read(
    values: dict[str, Any], *, kind: Kind, allowed_tickers: Collection[str], now: datetime
) -> tuple[Message, tuple[str, ...]]:
    """The message of a message and what we noticed on the way; raises Refused."""
    _require(values)
    given = Given(values)
    action: Action = fields.word("action", given.take("action"), _ACTIONS, "invalid-action")
    given.compute()
    wish = _wish(given, kind)
    symbol = _symbol(given.take("ticker"), kind, wish, allowed_tickers, now)
    given.warnings += symbol.warnings
    message = Message(
        action=action,
        symbol=symbol,
        option=wish,
        sentiment=_sentiment(given, action),
        **_quantity(given, action, kind),
        target_quantity=_target(given, action),
        order=order_shape.order(given, action, kind),
        # The stop first: it is the one that protects.
        stop_loss=given.each("stopLoss", lambda value: brackets.stop_loss(value, given.warnings)),
        take_profit=given.each("takeProfit", lambda value: brackets.take_profit(value, given.warnings)),
        **order_shape.conditions(given, now),
        **_notes(given),
    )
    return message, given.noticed()


def _require(values: dict[str, Any]) -> None:
    for name in ("ticker", "action"):
        if values.get(name) is None:
            close = difflib.get_close_matches(name, [key[:20].lower() for key in itertools.islice(values, 20)], n=1)
            hint = f"Did you mean {name} by {close[0]}? Names are case-sensitive." if close else EXAMPLE
            raise invalid("invalid-payload", f"The message has no {name}. Add it.", field=name, hint=hint)
    ticker = values["ticker"]
    if not isinstance(ticker, str):
        raise invalid("invalid-payload", f"ticker is {fields.shown(ticker)}. Send it as text.", field="ticker")
    if not ticker.strip():
        raise invalid("empty-ticker-name", "ticker is empty. Name what to trade.", field="ticker", hint=EXAMPLE)
    fields.refuse_placeholder("ticker", ticker)
    if not isinstance(values["action"], str) or fields.is_blank(values["action"]):
        fields.word("action", values["action"], _ACTIONS, "invalid-action")


def _symbol(ticker: str, kind: Kind, wish: Wish, allowed: Collection[str], now: datetime) -> Symbol:
    if ticker.startswith("="):
        raise blacklisted("ticker")
    found = options.read(ticker, wish, now) if kind is Kind.OPTION else symbols.read(ticker, kind, now)
    if allowed and not {found.name, found.root} & {one.strip().upper() for one in allowed}:
        raise invalid(
            "unsupported-ticker",
            f"{found.name} is not on the strategy's list of tickers. Add it to the list, or send one that is.",
            field="ticker",
        )
    return found


def _sentiment(given: Given, action: Action) -> str | None:
    found: str | None = given.each(
        "sentiment", lambda value: fields.word("sentiment", value, _SENTIMENTS, "invalid-sentiment")
    )
    if found and action not in {Action.BUY, Action.SELL}:
        raise invalid(
            "invalid-sentiment-action",
            f"sentiment goes with buy and sell, not with {action}. Leave it out.",
            field="sentiment",
        )
    return found


def _quantity(given: Given, action: Action, kind: Kind) -> dict[str, Any]:
    quantity = given.each("quantity", lambda value: fields.above_zero("quantity", value, "invalid-quantity"))
    if "quantityType" not in given.known:
        return {"quantity": quantity}
    name = given.take("quantityType")
    if isinstance(name, str) and (right := _QUANTITY_TYPE_HINTS.get(name.strip().lower())):
        message = f"quantityType is {fields.shown(name)}, which is a setting's name. Send {right}."
        raise invalid("invalid-quantity-type", message, field="quantityType", hint=f'"quantityType": "{right}"')
    sizing: str = fields.word("quantityType", name, _QUANTITY_TYPES, "invalid-quantity-type")
    if quantity is None:
        raise invalid(
            "quantity-type-requires-quantity", f"quantityType {sizing} needs a quantity. Add one.", field="quantity"
        )
    _check_sizing(sizing, action, kind)
    return {"quantity": quantity, "quantity_type": sizing}


def _target(given: Given, action: Action) -> Decimal | None:
    """The position to have afterwards, signed: what is missing is ordered. It leaves nothing else to size."""
    found: Decimal | None = given.each("targetQuantity", _signed)
    if found is None:
        return None
    if action not in {Action.BUY, Action.SELL}:
        raise invalid(
            "invalid-target-quantity-action",
            f"targetQuantity goes with buy and sell, not with {action}. Leave it out.",
            field="targetQuantity",
        )
    rival = next((name for name in ("quantity", "sentiment") if name in given.known), None)
    if rival:
        raise invalid(
            "invalid-target-quantity",
            f"targetQuantity says where the position ends, and so does {rival}. Send one of them.",
            field="targetQuantity",
        )
    return found


def _signed(value: object) -> Decimal:
    fields.refuse_placeholder("targetQuantity", value)
    found = fields.number(value)
    if found is None or found != found.to_integral_value():
        raise invalid(
            "invalid-target-quantity",
            f"targetQuantity is {fields.shown(value)}. Send whole units: 10 is long, -10 short, 0 no position.",
            field="targetQuantity",
        )
    return found


def _check_sizing(sizing: str, action: Action, kind: Kind) -> None:
    if sizing.startswith("risk_") and action not in {Action.BUY, Action.SELL, Action.ADD}:
        code = "invalid-risk-dollar-amount-action" if sizing == "risk_dollar_amount" else "invalid-quantity-type-action"
        raise invalid(
            code, f"quantityType {sizing} goes with buy, sell and add, not with {action}.", field="quantityType"
        )
    if sizing == "percent_of_position" and action not in {Action.BUY, Action.SELL, Action.EXIT}:
        raise invalid(
            "invalid-percent-of-position-action",
            f"quantityType percent_of_position goes with buy, sell and exit, not with {action}.",
            field="quantityType",
        )
    if kind is Kind.FUTURE and sizing not in {"fixed_quantity", "percent_of_position"}:
        raise invalid(
            "invalid-quantity-type-for-asset-class",
            f"quantityType {sizing} is not for futures. Send contracts, with fixed_quantity.",
            field="quantityType",
        )


def _wish(given: Given, kind: Kind) -> Wish:
    if given.has_none_of(OPTION_FIELDS):
        return NO_WISH
    sent = [name for name in OPTION_FIELDS if name in given.known]
    if sent and kind is not Kind.OPTION:
        raise invalid(
            "invalid-asset-class",
            f"{sent[0]} is about options and this strategy trades {symbols.WORDS[kind][1]}. Leave it out.",
            field=sent[0],
        )
    expiration = given.each("expiration", options.expiration)
    if "expiration" in given.known and expiration is None:
        fields.refuse_placeholder("expiration", given.take("expiration"))
        raise invalid(
            "invalid-expiration",
            f"expiration is {fields.shown(given.take('expiration'))}. Send a date such as 2026-12-18, or +30 days.",
            field="expiration",
        )
    return Wish(
        type=given.each(
            "optionType", lambda value: fields.word("optionType", value, _OPTION_TYPES, "invalid-option-type")
        ),
        intrinsic=given.each(
            "intrinsicValue", lambda value: fields.word("intrinsicValue", value, _INTRINSIC, "invalid-intrinsic-value")
        ),
        expiration=expiration,
        strike_count=order_shape.whole(given, "strikeCount", "invalid-strike-count", 1, 1000),
        strikes_away=order_shape.whole(given, "strikesAway", "invalid-strikes-away", -1000, 1000),
        strike_price=order_shape.price(given, "strikePrice", "invalid-strike-price"),
    )


def _notes(given: Given) -> dict[str, Any]:
    """What informs and identifies. Unusable values are dropped with a warning, but for the id, which guards against repeats."""
    found: dict[str, Any] = {"signal_id": given.each("signalId", _signal_id)}
    for name in ("signalPrice", "price"):
        if name in given.known and "signal_price" not in found:
            price = fields.number(given.take(name))
            if price is not None and price > 0:
                found["signal_price"] = price
            else:
                given.drop(name)
    for name, key, read in (
        ("time", "signal_time", fields.moment),
        ("interval", "", fields.label),
        ("extras", "extras", _extras),
    ):
        if name in given.known:
            value = read(given.take(name))
            if value is None:
                given.drop(name)
            elif key:
                found[key] = value
    return found | {"message": given.each("message", _message), "tags": given.each("tags", _tags)}


def _signal_id(value: object) -> str:
    fields.refuse_placeholder("signalId", value)
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not text or len(text) > SIGNAL_ID_LENGTH or not text.isprintable():
        raise invalid(
            "invalid-signal-id",
            f"signalId is {fields.shown(value)}. Send text of at most {SIGNAL_ID_LENGTH} characters.",
            field="signalId",
        )
    return text


def _message(value: object) -> str:
    if not isinstance(value, str) or len(value) > MESSAGE_LENGTH:
        raise invalid(
            "invalid-message-length",
            f"message is not text of at most {MESSAGE_LENGTH} characters. Shorten it.",
            field="message",
        )
    return value


def _tags(value: object) -> tuple[str, ...]:
    tags: list[Any] = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [None]
    if len(tags) > MOST_TAGS or not all(isinstance(tag, str) and len(tag) <= TAG_LENGTH for tag in tags):
        raise invalid(
            "invalid-message-tags",
            f"tags is not a list of at most {MOST_TAGS} texts of {TAG_LENGTH} characters. Shorten it.",
            field="tags",
        )
    return tuple(tag.strip() for tag in tags)


def _extras(value: object) -> dict[str, Any] | None:
    return fields.json_values(value) if isinstance(value, dict) else None
